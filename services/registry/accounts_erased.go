package registry

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/registry/internal/account"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// officeAccount says whether an account is an officer's, staff's or an
// administrator's: it has a login, or had one until it was erased.
func officeAccount(row *pb.AccountRow) bool {
	return row.GetAccount().GetLogin() != "" || row.GetAccount().GetErasedAt() != nil
}

// accountState: an erased account is a locked one to everybody but the rules.
func accountState(a *pb.Account) account.State {
	switch {
	case a.GetErasedAt() != nil:
		return account.Erased
	case a.GetState() == pb.AccountState_ACCOUNT_STATE_LOCKED:
		return account.Locked
	}
	return account.Active
}

// stands writes down in which state an account is from now on, and since when it
// is locked, by the clock of people.
func (s *Service) stands(next *pb.AccountRow, state account.State) {
	now := timestamppb.New(s.store.Civil().Now())
	next.Account.State = pb.AccountState_ACCOUNT_STATE_LOCKED
	switch state {
	case account.Active:
		next.Account.State, next.Account.LockedAt = pb.AccountState_ACCOUNT_STATE_ACTIVE, nil
	case account.Locked:
		next.Account.LockedAt = now
	case account.Erased:
		next.Account.ErasedAt = now
	}
}

// accountPast: who an office's account belongs to, once it is locked for so long
// at each of its places. One that was locked before that was remembered is past
// its time at once, for withoutPerson to begin its days.
func (s *Service) accountPast(r kv.Reader, row *pb.AccountRow, now time.Time) (bool, error) {
	a, err := s.domainAccount(r, row)
	if err != nil {
		return false, err
	}
	if _, ok := a.Erased(handedOver(row)); !ok {
		return false, nil
	}
	since := row.GetAccount().GetLockedAt()
	if since == nil {
		return true, nil
	}
	for _, g := range a.Grants {
		if past, err := s.over(r, string(g.Path), "privacy.account_days", since.AsTime(), now); err != nil || !past {
			return false, err
		}
	}
	return true, nil
}

// handedOver says whether the work of a locked account lies with a colleague: it
// was handed over for good, or for a time away that had not ended when the account
// was locked. Who came back from it has had work since.
func handedOver(row *pb.AccountRow) bool {
	until := row.GetAccount().GetAwayUntil()
	return row.GetHandedTo() != "" && (until == nil || until.AsTime().After(row.GetAccount().GetLockedAt().AsTime()))
}

// withoutPerson takes out of an account who it belongs to and by what that person
// entered. Ids and grants stay: they say who could do what when.
func (s *Service) withoutPerson(tx *store.Tx, row table.Row[*pb.AccountRow], next *pb.AccountRow) (held.Effect, error) {
	if row.Value.GetAccount().GetLockedAt() == nil {
		s.stands(next, account.Locked)
		return held.Write, nil
	}
	if err := s.forgetEntry(tx, row.Value); err != nil {
		return held.Leave, err
	}
	contact, ok, err := s.contacts.Get(tx, scope.All(), idKey(row.Value.GetAccount().GetPerson()))
	if err == nil && ok {
		err = s.contacts.Delete(tx, contact)
	}
	if err != nil {
		return held.Leave, err
	}
	a := next.GetAccount()
	a.Login, a.MustChangePassword, a.LastSignInAt = "", false, nil
	next.SealedDisplayName, next.SealedPassword, next.SealedOldPasswords, next.PasswordSetAt = nil, nil, nil, nil
	next.SealedSecondFactor, next.SealedSecondFactorNext, next.SecondFactorStep, next.RecoveryHashes = nil, nil, 0, nil
	next.CodeHash, next.PhoneHash, next.ProviderHash = nil, nil, nil
	s.stands(next, account.Erased)
	gone := table.Row[*pb.AccountRow]{Value: next, Revision: row.Revision + 1}
	return held.Write, tx.Emit(accountChanged(gone, tx.Wall()))
}

// forgetEntry ends the sessions of an account that is erased, and takes the
// one-time code that was sent to its phone.
func (s *Service) forgetEntry(tx *store.Tx, row *pb.AccountRow) error {
	if err := s.endSessions(tx, row.GetAccount().GetId(), "", session.Close); err != nil {
		return err
	}
	phone := row.GetPhoneHash()
	if len(phone) == 0 {
		return nil
	}
	code, ok, err := s.phoneCodes.Get(tx, scope.All(), hashKey(phone))
	if err == nil && ok {
		err = s.phoneCodes.Delete(tx, code)
	}
	return err
}

// calledBy is what colleagues call the person of an account: by the name, or as
// somebody who has left, in their language.
func (s *Service) calledBy(call access.Call, row *pb.AccountRow) (string, error) {
	if row.GetAccount().GetErasedAt() != nil {
		return texts.Text(call.Language, "person.left"), nil
	}
	return s.openOf(row.GetAccount().GetId(), secretName, row.GetSealedDisplayName())
}
