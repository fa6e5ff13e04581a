module github.com/linli-project/linli/services

go 1.26.8

require github.com/linli-project/linli/proto v0.0.0

require github.com/linli-project/linli/pkg v0.0.0

require (
	github.com/google/go-cmp v0.7.0 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261019180522-ce908d29299b // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace github.com/linli-project/linli/proto => ../proto

replace github.com/linli-project/linli/pkg => ../pkg
