package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// inproc keeps a promise of gRPC connections that the connection in memory does
// not: the one request of a call that streams answers can be sent to a stream
// that the chain has refused already. What ended the stream comes with the first
// answer; generated clients take an error of the request for the call's own.
type inproc struct {
	grpc.ClientConnInterface // of streams
	local                    *local
}

func (c inproc) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	return c.local.invoke(ctx, method, in, out, opts...)
}

func (c inproc) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	if err != nil || desc.ClientStreams {
		return s, err
	}
	return oneRequest{s}, nil
}

type oneRequest struct{ grpc.ClientStream }

func (s oneRequest) SendMsg(m any) error {
	if err := s.ClientStream.SendMsg(m); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
