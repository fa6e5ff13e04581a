package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/texts"
)

// keysFlags say which servers, and which file of master keys.
type keysFlags struct {
	grpc          []string
	file, profile string
}

func keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "keys that seal: see them, take new ones while everything runs",
		Long: "keys shows the keys under which running servers seal, and gives them new ones.\n" +
			"show, rotate and remove need the token of a security or system administrator\n" +
			"in LINLI_TOKEN. docs/keys.md says when to take new keys and what becomes of\n" +
			"backups.",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var f keysFlags
	c.PersistentFlags().StringArrayVar(&f.grpc, "grpc", []string{"127.0.0.1:9090"}, "address of a server's gRPC, as often as there are servers")
	c.PersistentFlags().StringVar(&f.file, "file", os.Getenv("LINLI_MASTER_KEY_FILE"), "file of the master keys (LINLI_MASTER_KEY_FILE)")
	add := &cobra.Command{
		Use: "add", Short: "put a new master key into the file; rotate master wraps under it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.add(c.OutOrStdout()) },
	}
	rotate := &cobra.Command{
		Use: "rotate", Short: "take new keys", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say which: linli keys rotate data, or linli keys rotate master")
		},
	}
	data := &cobra.Command{
		Use: "data", Short: "new data keys; what is sealed is sealed anew under them, one row after the other", Args: cobra.NoArgs,
		RunE: f.run(rotateData),
	}
	for _, c := range []*cobra.Command{add, data} {
		c.Flags().StringVar(&f.profile, "profile", "", "aes (AES-256-GCM) or sm (SM4-GCM); otherwise as before")
	}
	rotate.AddCommand(data, &cobra.Command{
		Use: "master", Short: "wrap the keys of every service under the newest master key", Args: cobra.NoArgs, RunE: f.run(rotateMaster),
	})
	c.AddCommand(
		&cobra.Command{Use: "show", Short: "which keys there are", Args: cobra.NoArgs, RunE: f.run(showKeys)}, add, rotate,
		&cobra.Command{
			Use: "remove ID", Short: "take a master key that wraps nothing any more out of the file", Args: cobra.ExactArgs(1),
			RunE: f.run(removeMaster),
		},
	)
	return c
}

// sealing reads --profile; not given, it is left to whoever is asked.
func (f keysFlags) sealing() (seal.Profile, error) {
	if f.profile == "" {
		return 0, nil
	}
	return seal.ParseProfile(f.profile)
}

func (f keysFlags) add(out io.Writer) error {
	p, err := f.sealing()
	if err != nil {
		return err
	}
	if f.file == "" {
		return errors.New("--file names the file of the master keys")
	}
	id, err := seal.MasterFile(f.file).Add(cmp.Or(p, seal.AES))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "master key %s is the newest of %s; keep a copy of the file away from the data\n", id, f.file)
	return nil
}

// keysServer is one server that is asked.
type keysServer struct {
	address string
	api     pb.KeysServiceClient
}

func (s keysServer) failed(err error) error {
	if status.Code(err) == codes.Unimplemented {
		return fmt.Errorf("%s: no service is in that process; name the addresses of registry, requests, projects and evaluation with --grpc", s.address)
	}
	return fmt.Errorf("%s: %s", s.address, status.Convert(err).Message())
}

// run makes a command of what is done with the servers that were named.
func (f *keysFlags) run(do func(context.Context, keysFlags, []keysServer, []string, io.Writer) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) (err error) {
		ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
		defer cancel()
		token := os.Getenv("LINLI_TOKEN")
		if token == "" {
			return errors.New("LINLI_TOKEN holds no token; it takes that of a security or system administrator")
		}
		secured, err := operatorFiles().DialOption()
		if err != nil {
			return err
		}
		var servers []keysServer
		for _, address := range f.grpc {
			conn, err := grpc.NewClient(address, secured)
			if err != nil {
				return fmt.Errorf("--grpc %s: %w", address, err)
			}
			defer func() { err = errors.Join(err, conn.Close()) }()
			servers = append(servers, keysServer{address, pb.NewKeysServiceClient(conn)})
		}
		ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs(rpc.HeaderAuthorization, "Bearer "+token, rpc.HeaderLanguage, texts.English))
		return do(ctx, *f, servers, args, c.OutOrStdout())
	}
}

func showKeys(ctx context.Context, _ keysFlags, servers []keysServer, _ []string, out io.Writer) error {
	all, err := allKeys(ctx, servers)
	if err != nil {
		return err
	}
	return printKeys(out, all)
}

func allKeys(ctx context.Context, servers []keysServer) (all []*pb.ServiceKeys, err error) {
	for _, s := range servers {
		reply, err := s.api.GetKeys(ctx, &pb.GetKeysRequest{})
		if err != nil {
			return nil, s.failed(err)
		}
		all = append(all, reply.GetServices()...)
	}
	return all, nil
}

func rotateMaster(ctx context.Context, _ keysFlags, servers []keysServer, _ []string, out io.Writer) error {
	var all []*pb.ServiceKeys
	for _, s := range servers {
		reply, err := s.api.RotateMasterKey(once(ctx), &pb.RotateMasterKeyRequest{})
		if err != nil {
			return errors.Join(s.failed(err), printKeys(out, all))
		}
		all = append(all, reply.GetServices()...)
	}
	return printKeys(out, all)
}

func rotateData(ctx context.Context, f keysFlags, servers []keysServer, _ []string, out io.Writer) error {
	p, err := f.sealing()
	if err != nil {
		return err
	}
	var all []*pb.ServiceKeys
	for _, s := range servers {
		reply, err := s.api.RotateDataKey(once(ctx), &pb.RotateDataKeyRequest{Profile: typev1.SealProfile(p)})
		if err != nil {
			return errors.Join(s.failed(err), printKeys(out, all))
		}
		all = append(all, reply.GetServices()...)
	}
	return printKeys(out, all)
}

// removeMaster asks every server first: a key that is taken away while it wraps
// something takes that with it.
func removeMaster(ctx context.Context, f keysFlags, servers []keysServer, args []string, out io.Writer) error {
	if f.file == "" {
		return errors.New("--file names the file of the master keys")
	}
	all, err := allKeys(ctx, servers)
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, s := range all {
		asked[s.GetService()] = true
		for _, k := range append(s.GetDataKeys(), s.GetIndexKey()) {
			if k.GetMasterKey() == args[0] {
				return fmt.Errorf("master key %s wraps keys of %s; run `linli keys rotate master` first", args[0], s.GetService())
			}
		}
	}
	for _, name := range []string{"registry", "requests", "projects", "evaluation"} {
		if !asked[name] {
			return fmt.Errorf("nobody was asked about %s; name the addresses of all servers with --grpc", name)
		}
	}
	if err := seal.MasterFile(f.file).Remove(args[0]); err != nil {
		return err
	}
	fmt.Fprintf(out, "master key %s is out of %s; backups of before need it still\n", args[0], f.file)
	return nil
}

func printKeys(out io.Writer, all []*pb.ServiceKeys) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tKEY\tPROFILE\tMASTER KEY\tMADE\tROWS")
	for _, s := range all {
		for i, k := range s.GetDataKeys() {
			rows := ""
			if i < len(s.GetDataKeys())-1 {
				rows = fmt.Sprintf("going: %d sealed anew in the last pass, %d wait", s.GetResealed(), s.GetKept())
			}
			printKey(w, s.GetService(), fmt.Sprintf("data %d", k.GetVersion()), k, rows)
		}
		printKey(w, s.GetService(), "index", s.GetIndexKey(), "")
	}
	return w.Flush()
}

func printKey(w io.Writer, service, name string, k *pb.SealingKey, rows string) {
	made := ""
	if k.GetMadeAt() != nil {
		made = k.GetMadeAt().AsTime().Local().Format(time.DateTime)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", service, name, seal.Profile(k.GetProfile()), k.GetMasterKey(), made, strings.TrimSpace(rows))
}
