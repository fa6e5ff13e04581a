// Package keys answers linli.ops.v1.KeysService for the stores of one process:
// which keys seal, and taking new ones while everything runs.
package keys

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// Service answers for the stores of one process.
type Service struct {
	pb.UnsafeKeysServiceServer
	stores []*store.Store
}

var _ pb.KeysServiceServer = (*Service)(nil)

// New makes the service of a process; stores are never none.
func New(stores []*store.Store) *Service { return &Service{stores: stores} }

// Name is that of the door's table.
func (s *Service) Name() string { return "ops" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { pb.RegisterKeysServiceServer(r, s) }

// OrganizationPath knows none: nothing here belongs to an organization.
func (s *Service) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

// GetKeys answers what is known of the keys.
func (s *Service) GetKeys(ctx context.Context, _ *pb.GetKeysRequest) (*pb.GetKeysResponse, error) {
	all, err := s.all(ctx)
	return &pb.GetKeysResponse{Services: all}, err
}

func (s *Service) all(ctx context.Context) (all []*pb.ServiceKeys, err error) {
	for _, st := range s.stores {
		pass, err := st.Resealing(ctx)
		if err != nil {
			return nil, err
		}
		row := st.Keys()
		out := &pb.ServiceKeys{Service: st.Service(), IndexKey: keyProto(row.GetIndexKey()), Resealed: pass.GetResealed(), Kept: pass.GetKept()}
		for _, k := range row.GetDataKeys() {
			out.DataKeys = append(out.DataKeys, keyProto(k))
		}
		all = append(all, out)
	}
	return all, nil
}

func keyProto(k *typev1.WrappedKeyRow) *pb.SealingKey {
	return &pb.SealingKey{Version: k.GetVersion(), Profile: k.GetProfile(), MasterKey: k.GetMasterKey(), MadeAt: k.GetMadeAt()}
}

// RotateMasterKey wraps the keys of each store anew, each in a commit of its
// own. One that was broken off in between is asked for again: what is wrapped
// under the newest master key stays as it is.
func (s *Service) RotateMasterKey(ctx context.Context, req *pb.RotateMasterKeyRequest) (*pb.RotateMasterKeyResponse, error) {
	err := s.change(ctx, req, func(tx *store.Tx) error {
		_, err := tx.RotateMaster(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	all, err := s.all(ctx)
	return &pb.RotateMasterKeyResponse{Services: all}, err
}

// RotateDataKey gives each store a new data key, each in a commit of its own.
func (s *Service) RotateDataKey(ctx context.Context, req *pb.RotateDataKeyRequest) (*pb.RotateDataKeyResponse, error) {
	err := s.change(ctx, req, func(tx *store.Tx) error {
		_, err := tx.RotateData(ctx, seal.Profile(req.GetProfile()))
		return err
	})
	if err != nil {
		return nil, err
	}
	all, err := s.all(ctx)
	return &pb.RotateDataKeyResponse{Services: all}, err
}

// change does fn in every store and has each use what it then holds. The first
// error ends it: the stores before have changed, which a repeat under the same
// idempotency key knows.
func (s *Service) change(ctx context.Context, req proto.Message, fn func(*store.Tx) error) error {
	for _, st := range s.stores {
		_, err := store.Do(ctx, st, req, func(tx *store.Tx) (*pb.ServiceKeys, error) {
			return &pb.ServiceKeys{Service: st.Service()}, fn(tx)
		})
		// Whatever became of the commit: the store is asked what it holds.
		if err := errors.Join(err, st.AfterKeys(context.WithoutCancel(ctx))); err != nil {
			return err
		}
	}
	return nil
}
