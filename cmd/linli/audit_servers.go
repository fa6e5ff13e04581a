package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/audit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/texts"
)

// keptHead is a head in a file: one JSON object a line.
type keptHead struct {
	Service  string    `json:"service"`
	Time     time.Time `json:"time"`
	Size     uint64    `json:"size"`
	Verifier string    `json:"verifier"`
	Note     string    `json:"note"`
}

func appendHeads(path string, all []keptHead) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("file of heads: %w", err)
	}
	var text bytes.Buffer
	for _, h := range all {
		if err := json.NewEncoder(&text).Encode(h); err != nil {
			return errors.Join(fmt.Errorf("encode a head: %w", err), f.Close())
		}
	}
	_, err = f.Write(text.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("file of heads: %w", err)
	}
	return nil
}

// readHeads reads a file of heads; none without a name.
func readHeads(path string) (all []keptHead, err error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("file of heads: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var h keptHead
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Service == "" || h.Note == "" {
			return nil, fmt.Errorf("file of heads %s: line %d is none", path, n)
		}
		if _, err := store.OpenAuditHead(h.Note, h.Verifier); err != nil {
			return nil, fmt.Errorf("file of heads %s: line %d: %w", path, n, err)
		}
		all = append(all, h)
	}
	return all, lines.Err()
}

// keysOf are the keys of each service as they were first kept.
func keysOf(kept []keptHead) map[string]string {
	out := map[string]string{}
	for _, k := range kept {
		if out[k.Service] == "" {
			out[k.Service] = k.Verifier
		}
	}
	return out
}

// auditServers are the servers that are asked.
type auditServers struct {
	conns []*grpc.ClientConn
	apis  []pb.AuditServiceClient
	token string
}

func newAuditServers(addresses []string) (*auditServers, error) {
	if len(addresses) == 0 {
		return nil, errors.New("this asks running servers: name them with --grpc")
	}
	s := &auditServers{token: os.Getenv("LINLI_TOKEN")}
	if s.token == "" {
		return nil, errors.New("LINLI_TOKEN holds no token of an audit administrator")
	}
	secured, err := operatorFiles().DialOption()
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		conn, err := grpc.NewClient(address, secured)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--grpc %s: %w", address, err), s.Close())
		}
		s.conns, s.apis = append(s.conns, conn), append(s.apis, pb.NewAuditServiceClient(conn))
	}
	return s, nil
}

func (s *auditServers) Close() (err error) {
	for _, c := range s.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

func (s *auditServers) as(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, rpc.HeaderAuthorization, "Bearer "+s.token, rpc.HeaderLanguage, texts.English)
}

// isElsewhere says that a server has no such service, or no head of it yet.
func isElsewhere(err error) bool { return status.Code(err) == codes.NotFound }

func said(address string, err error) error {
	return fmt.Errorf("%s: %s", address, strings.TrimSpace(status.Convert(err).Message()))
}

// verify reads the log of every service from the server that has it. What the
// servers hold of each other's heads is asked first: a log only grows meanwhile.
func (s *auditServers) verify(ctx context.Context, held []store.HeldHead, keys map[string]string) (reports []store.AuditReport, err error) {
	ctx = s.as(ctx)
	for i, api := range s.apis {
		for _, service := range house.Services() {
			head, err := api.GetAuditHead(ctx, &pb.GetAuditHeadRequest{Service: service})
			if err != nil && !isElsewhere(err) {
				return nil, said(s.conns[i].Target(), err)
			}
			for _, w := range head.GetWitnessed() {
				held = append(held, store.HeldHead{Service: w.GetService(), Note: w.GetNote(), Holder: service})
			}
		}
	}
	for _, service := range house.Services() {
		r, err := s.verifyOne(ctx, service, keys[service], held)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func (s *auditServers) verifyOne(ctx context.Context, service, trusted string, held []store.HeldHead) (store.AuditReport, error) {
	for i, api := range s.apis {
		r, err := audit.Verify(ctx, api, service, trusted, held...)
		if err == nil {
			return r, nil
		}
		if !isElsewhere(err) {
			return r, said(s.conns[i].Target(), err)
		}
	}
	return store.AuditReport{}, fmt.Errorf("none of the servers has the audit of %s; name that of each service with --grpc", service)
}

// lines calls fn with the lines that the flags select until it answers false.
func (s *auditServers) lines(ctx context.Context, f *auditFlags, fn func(string, *pb.AuditLine) bool) error {
	ctx = s.as(ctx)
	services := house.Services()
	if f.filter.GetService() != "" {
		services = []string{f.filter.GetService()}
	}
	for _, service := range services {
		answered := false
		for i, api := range s.apis {
			more, err := linesOf(ctx, api, f, service, fn)
			if isElsewhere(err) {
				continue
			}
			if err != nil {
				return said(s.conns[i].Target(), err)
			}
			if !more {
				return nil
			}
			answered = true
			break
		}
		if !answered {
			return fmt.Errorf("no server that was named with --grpc keeps the audit of %q; there are %s", service, strings.Join(house.Services(), ", "))
		}
	}
	return nil
}

func linesOf(ctx context.Context, api pb.AuditServiceClient, f *auditFlags, service string, fn func(string, *pb.AuditLine) bool) (more bool, err error) {
	req := proto.CloneOf(&f.filter)
	req.Service, req.PageSize = service, int32(min(f.most, 200))
	if f.since > 0 {
		req.From = timestamppb.New(clock.Wall().Now().Add(-f.since))
	}
	for {
		page, err := api.ListAuditLines(ctx, req)
		if err != nil {
			return true, err
		}
		for _, l := range page.GetLines() {
			if !fn(service, l) {
				return false, nil
			}
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return true, nil
		}
	}
}
