// Package watch tells open pages that something changed: one subscription to
// everything that is announced, handed to each watcher through its own scope.
package watch

import (
	"context"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/watch/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

const (
	// waiting is how many changes a slow watcher may be behind: two windows of a
	// relay, which come all at once.
	waiting = 512
	// mostWatchers keeps the house from being filled with open pages.
	mostWatchers = 10_000
)

// Source is where events come from: the broker.
type Source interface {
	// Watch calls fn with every event from now on, until stop is called; with nil
	// when events may have been missed. fn must not wait.
	Watch(fn func(*typev1.EventRow)) (stop func() error, err error)
}

// Service answers linli.watch.v1. It is safe for concurrent use.
type Service struct {
	pb.UnsafeWatchServiceServer

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   chan struct{}
}

// watcher is one open stream. missed is guarded by the service's mutex.
type watcher struct {
	scope   scope.Scope
	changes chan *pb.WatchChangesResponse
	missed  bool
}

// New makes the service and listens to the source until Close.
func New(source Source) (s *Service, stop func() error, err error) {
	s = &Service{watchers: map[*watcher]struct{}{}, closed: make(chan struct{})}
	unsubscribe, err := source.Watch(s.tell)
	if err != nil {
		return nil, nil, err
	}
	return s, func() error {
		close(s.closed)
		return unsubscribe()
	}, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "watch" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { pb.RegisterWatchServiceServer(r, s) }

// OrganizationPath knows no organizations: no method names one.
func (s *Service) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

// offices are the roles that are told of everything in their organization.
// Members and residents are told of what concerns them.
func offices() []typev1.Role {
	return []typev1.Role{
		typev1.Role_ROLE_CITY_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_STREET_OFFICER,
		typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER,
		typev1.Role_ROLE_BRANCH_OFFICER,
	}
}

// WatchChanges streams until the caller goes or the house closes.
func (s *Service) WatchChanges(_ *pb.WatchChangesRequest, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
	call := access.From(stream.Context())
	w := &watcher{scope: call.ScopeOf(offices()...), changes: make(chan *pb.WatchChangesResponse, waiting)}
	if !s.add(w) {
		return rule.New(rule.Exhausted, "OVERLOADED", "")
	}
	defer s.remove(w)
	if err := stream.Send(&pb.WatchChangesResponse{}); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case <-s.closed:
			return nil
		case c := <-w.changes:
			if err := stream.Send(c); err != nil {
				return err
			}
			if s.caughtUp(w) {
				if err := stream.Send(&pb.WatchChangesResponse{Missed: true}); err != nil {
					return err
				}
			}
		}
	}
}

func (s *Service) add(w *watcher) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watchers) >= mostWatchers {
		return false
	}
	s.watchers[w] = struct{}{}
	return true
}

func (s *Service) remove(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// caughtUp says once that a watcher missed something and has nothing left to
// read before it is told so.
func (s *Service) caughtUp(w *watcher) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.missed || len(w.changes) > 0 {
		return false
	}
	w.missed = false
	return true
}

// tell hands an event to those who may know of it, without waiting for anybody.
// Without an event it tells everybody to look again.
func (s *Service) tell(e *typev1.EventRow) {
	if e == nil {
		s.tellMissed()
		return
	}
	c := concerns(e)
	change := &pb.WatchChangesResponse{
		Type: e.GetType(), EntityId: e.GetEntityId(), Revision: e.GetRevision(), Time: e.GetCivilTime(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		if !c.mayKnow(w.scope) {
			continue
		}
		select {
		case w.changes <- change:
		default:
			w.missed = true
		}
	}
}

func (s *Service) tellMissed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		select {
		case w.changes <- &pb.WatchChangesResponse{Missed: true}:
		default:
			w.missed = true
		}
	}
}

// concern is whom an event is about.
type concern struct {
	paths   []scope.Path
	persons []string
	// sealed: offices above one of paths are not told.
	sealed bool
}

func (c concern) mayKnow(sc scope.Scope) bool {
	for _, p := range c.paths {
		if slices.Contains(sc.Paths, p) || !c.sealed && sc.Covers(p) {
			return true
		}
	}
	for _, p := range c.persons {
		if p == sc.Person && p != "" {
			return true
		}
	}
	return false
}

// concerns reads from an event's message which organizations and members it is
// about: the fields named path or …_path, member_id and author, at any depth. A
// message that says sealed is about who it comes from, and not about the
// district_path that it names beside.
func concerns(e *typev1.EventRow) (c concern) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(e.GetDataSchema()))
	if err != nil {
		return concern{} // an event of a newer release
	}
	m := kind.New().Interface()
	if proto.Unmarshal(e.GetData(), m) != nil {
		return concern{}
	}
	if f := kind.Descriptor().Fields().ByName("sealed"); f != nil && f.Kind() == protoreflect.BoolKind {
		c.sealed = m.ProtoReflect().Get(f).Bool()
	}
	c.collect(m.ProtoReflect())
	return c
}

func (c *concern) collect(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case f.Kind() == protoreflect.MessageKind && f.IsList():
			for i := range v.List().Len() {
				c.collect(v.List().Get(i).Message())
			}
		case f.Kind() == protoreflect.MessageKind && !f.IsMap():
			c.collect(v.Message())
		case f.Kind() != protoreflect.StringKind || f.IsList() || f.IsMap():
		case c.sealed && name == "district_path":
		case name == "path" || strings.HasSuffix(name, "_path"):
			c.paths = append(c.paths, scope.Path(v.String()))
		case name == "member_id" || name == "author":
			c.persons = append(c.persons, v.String())
		}
		return true
	})
}
