package projects

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/indicator"
)

// LookAtAll is one look of the job, for tests.
func LookAtAll(ctx context.Context, s *Service) error { return s.lookAtAll(ctx) }

// MakeKeyProject takes an application to where a key project can begin.
func MakeKeyProject(ctx context.Context, s *Service, id string) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.application(tx, scope.All(), id, "")
		if err != nil {
			return err
		}
		next := proto.CloneOf(row.Value)
		next.Application.State = pb.ApplicationState(application.KeyProject)
		_, err = s.tables.applications.Replace(tx, row, next)
		return err
	})
}

// Figure answers what a stored query counts at a place in a year, up to a day.
func Figure(ctx context.Context, s *Service, query string, at scope.Path, year int, until string) (n int64, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		q, _ := indicator.FindQuery(query)
		n, err = s.figure(r, q, at, year, until)
		return err
	})
	return n, err
}
