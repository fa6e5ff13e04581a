package registry

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/idp"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// Provider says who somebody is; see idp.Provider.
type Provider interface {
	Takes(redirect string) bool
	URL(ctx context.Context, f idp.Flow) (string, error)
	Identify(ctx context.Context, f idp.Flow, code string) (idp.Identity, error)
}

// BeginProvider notes a sign-in that is under way, and answers where the browser
// goes. The state lies here as a keyed hash, the verifier sealed.
func (s sessions) BeginProvider(ctx context.Context, req *pb.BeginProviderRequest) (*pb.BeginProviderResponse, error) {
	if s.provider == nil {
		return nil, noProvider()
	}
	if !s.provider.Takes(req.GetRedirectUri()) {
		return nil, rule.New(rule.Invalid, "UNKNOWN_REDIRECT", "redirect_uri")
	}
	f := idp.NewFlow(req.GetRedirectUri())
	address, err := s.provider.URL(ctx, f)
	if err != nil {
		return nil, s.notIdentified(err)
	}
	hash := s.stateHash(f.State)
	row := &pb.ProviderStateRow{
		Hash: hash, Nonce: f.Nonce, RedirectUri: f.Redirect, SealedVerifier: s.store.Keyring().Seal([]byte(f.Verifier), verifierPlace(hash)...),
	}
	return store.DoUnremembered(ctx, s.store, req, func(tx *store.Tx) (*pb.BeginProviderResponse, error) {
		row.BeganAt = timestamppb.New(tx.Wall())
		_, err := s.providerStates.Insert(tx, row)
		tx.Audit(store.Record{Outcome: "sent to the provider"})
		return &pb.BeginProviderResponse{AuthorizationUrl: address, State: f.State}, err
	})
}

// EnterWithProvider begins a session of the account that the provider's word
// leads to; it makes none. The state is spent before the provider is asked, in a
// commit of its own: whatever becomes of the code, it is good for one question.
func (s sessions) EnterWithProvider(ctx context.Context, req *pb.EnterWithProviderRequest) (*pb.EnterWithProviderResponse, error) {
	if s.provider == nil {
		return nil, noProvider()
	}
	call := access.From(ctx)
	g := s.addressGuard(call)
	if err := s.waited(ctx, g); err != nil {
		return nil, err
	}
	f, there, err := s.spendState(ctx, req.GetState())
	if err != nil {
		return nil, err
	}
	var who idp.Identity
	if there {
		who, err = s.provider.Identify(ctx, f, req.GetCode())
	}
	refused := s.notIdentified(err)
	if refused != nil && refused.Reason != "NOT_SIGNED_IN" {
		return nil, refused
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.EnterWithProviderResponse, *rule.Error, error) {
		if err := g.wait(tx, tx.Wall()); err != nil {
			return nil, nil, err
		}
		if !there || refused != nil {
			return nil, notSignedIn(), g.fail(tx)
		}
		account, known, err := s.accounts.By(tx, scope.All(), byProvider, hashKey(s.store.Keyring().Blind(blindProvider, who.Issuer, who.Subject)))
		if err != nil {
			return nil, nil, err
		}
		may := false
		if known {
			may, err = s.mayEnter(tx, account.Value)
		}
		if err != nil || !may {
			tx.Audit(ofAccount(account))
			return nil, notSignedIn(), firstError(err, g.fail(tx))
		}
		out, err := s.begin(tx, account, pb.SignInMethod_SIGN_IN_METHOD_PROVIDER, false, call)
		return &pb.EnterWithProviderResponse{Session: out}, nil, err
	})
}

// spendState takes a sign-in that is under way by its state, once; false where
// there is none, or it took too long.
func (s *Service) spendState(ctx context.Context, state string) (f idp.Flow, there bool, err error) {
	hash := s.stateHash(state)
	err = s.store.View(ctx, func(r kv.Reader) (err error) { // what anybody makes up costs no commit
		_, there, err = s.providerStates.Get(r, scope.All(), hashKey(hash))
		return err
	})
	if err != nil || !there {
		return f, false, err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		row, found, err := s.providerStates.Get(tx, scope.All(), hashKey(hash))
		if there = found && tx.Wall().Before(row.Value.GetBeganAt().AsTime().Add(session.ProviderHolds)); err != nil || !found {
			return err
		}
		verifier, err := s.store.Keyring().Open(row.Value.GetSealedVerifier(), verifierPlace(hash)...)
		if err != nil {
			return err
		}
		f = idp.Flow{State: state, Nonce: row.Value.GetNonce(), Verifier: string(verifier), Redirect: row.Value.GetRedirectUri()}
		tx.Audit(store.Record{Outcome: "came back from the provider"})
		return s.providerStates.Delete(tx, row)
	})
	return f, there, err
}

// notIdentified is the answer to what the provider did not do; nil for no error.
// Why is for the log alone.
func (s *Service) notIdentified(err error) *rule.Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, idp.ErrRefused):
		s.log.Warn("the identity provider's word was not taken", "error", err)
		return notSignedIn()
	}
	s.log.Error("ask the identity provider", "error", err)
	return rule.New(rule.Precondition, "PROVIDER_AWAY", "")
}

func noProvider() *rule.Error { return rule.New(rule.Precondition, "NO_PROVIDER", "") }

func notSignedIn() *rule.Error { return rule.New(rule.Denied, "NOT_SIGNED_IN", "") }

func (s *Service) stateHash(state string) []byte {
	return s.store.Keyring().Digest("provider state", state)
}

func verifierPlace(hash []byte) []string { return []string{"provider state", string(hash), "verifier"} }
