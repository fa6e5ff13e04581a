package rights_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/rpc"
)

func newValidator() (protovalidate.Validator, error) { return protovalidate.New() }

// make sends a call as somebody: over its route where it has one, else over gRPC.
func (w *world) make(token string, c call) (answer, error) {
	if method, path, body := c.http(); method != "" {
		return w.send(token, method, path, "application/json", body)
	}
	return w.overGRPC(token, c)
}

// longestStream is how long a stream that ends with nobody is listened to.
const longestStream = 200 * time.Millisecond

// overGRPC makes a call without a route. A stream is answered with what comes
// first: a refusal, a message, or the end.
func (w *world) overGRPC(token string, c call) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pairs := []string{rpc.HeaderLanguage, "en"}
	if token != "" {
		pairs = append(pairs, rpc.HeaderAuthorization, "Bearer "+token)
	}
	ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs(pairs...))
	d := c.method.Descriptor
	reply := dynamicpb.NewMessage(d.Output())
	if !d.IsStreamingClient() && !d.IsStreamingServer() {
		return answerOf(reply, w.conn.Invoke(ctx, c.method.Full(), c.msg, reply))
	}
	if d.IsStreamingServer() {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, longestStream)
		defer stop()
	}
	stream, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: d.IsStreamingClient(), ServerStreams: true}, c.method.Full())
	if err == nil {
		err = stream.SendMsg(c.msg)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = stream.RecvMsg(reply)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return answerOf(reply, err)
}

// answerOf writes a reply or a status as REST would.
func answerOf(reply *dynamicpb.Message, err error) (answer, error) {
	if err == nil {
		text, err := protojson.Marshal(reply)
		return answer{Status: 200, Body: string(text)}, err
	}
	s, ok := status.FromError(err)
	if !ok {
		return answer{}, err
	}
	code := map[string]int{"PermissionDenied": 403, "NotFound": 404, "Unauthenticated": 401, "InvalidArgument": 400, "Unimplemented": 501,
		"FailedPrecondition": 409, "AlreadyExists": 409, "Aborted": 409}[s.Code().String()]
	if code == 0 {
		code = 500
	}
	return answer{Status: code, Reason: rpc.Reason(err), Body: s.Message()}, nil
}

// served says whether the house serves the service of a method.
func (w *world) served(m rights.Method) (bool, error) {
	first := m.Descriptor.Parent().(protoreflect.ServiceDescriptor).Methods().Get(0)
	err := w.conn.Invoke(context.Background(), "/"+string(first.Parent().FullName())+"/"+string(first.Name()),
		dynamicpb.NewMessage(first.Input()), dynamicpb.NewMessage(first.Output()))
	s, ok := status.FromError(err)
	if !ok {
		return false, err
	}
	return s.Code().String() != "Unimplemented", nil
}

var callNames = regexp.MustCompile(`"instance":"[^"]*",?`)

// alike is an answer without what differs from call to call: the call's own
// name, and the name of the row that was asked for.
func (a answer) alike(asked ...string) string {
	body := callNames.ReplaceAllString(a.Body, "")
	for _, id := range asked {
		if id != "" {
			body = strings.ReplaceAll(body, id, "ID")
		}
	}
	var parsed map[string]any
	if json.Unmarshal([]byte(body), &parsed) == nil {
		text, err := json.Marshal(parsed)
		if err == nil {
			body = string(text)
		}
	}
	return fmt.Sprint(a.Status, " ", a.Reason, " ", body)
}
