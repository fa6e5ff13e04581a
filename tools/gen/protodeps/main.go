// Command protodeps prints the third-party .proto files that linli's own
// import, from the descriptors that their Go packages register. Their versions
// are therefore those of go.mod, and none has to be copied into the repository.
//
//	protodeps FOLDER
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	_ "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	"github.com/jhump/protoreflect/v2/protoprint"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: protodeps FOLDER")
		os.Exit(2)
	}
	if err := printAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "protodeps:", err)
		os.Exit(1)
	}
}

func printAll(folder string) error {
	done := map[string]bool{}
	for _, root := range []string{
		"google/api/annotations.proto",
		"google/api/http.proto",
		"google/api/field_behavior.proto",
		"buf/validate/validate.proto",
		"protoc-gen-openapiv2/options/annotations.proto",
		"protoc-gen-openapiv2/options/openapiv2.proto",
	} {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(root)
		if err != nil {
			return fmt.Errorf("find %s: %w", root, err)
		}
		if err := printFile(folder, fd, done); err != nil {
			return err
		}
	}
	return nil
}

// printFile writes fd and what it imports, except google/protobuf/*, which the
// compiler brings along.
func printFile(folder string, fd protoreflect.FileDescriptor, done map[string]bool) error {
	if done[fd.Path()] || strings.HasPrefix(fd.Path(), "google/protobuf/") {
		return nil
	}
	done[fd.Path()] = true
	imports := fd.Imports()
	for i := range imports.Len() {
		if err := printFile(folder, imports.Get(i).FileDescriptor, done); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, filepath.FromSlash(fd.Path()))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	printer := protoprint.Printer{}
	if err := printer.PrintProtoFile(fd, f); err != nil {
		return fmt.Errorf("print %s: %w", fd.Path(), err)
	}
	return f.Close()
}
