package keyproject

import (
	"slices"
	"testing"
)

func TestMachine_EndsOnlyThroughAnAcceptance(t *testing.T) {
	for state, want := range map[State][]string{
		Running: {OpenAcceptance}, InAcceptance: {Accept, AskRemedy, Fail}, InRemedy: {LookAgain},
		Accepted: {Close}, Failed: {Close}, Closed: nil,
	} {
		if got := Machine().Allowed(state); !slices.Equal(got, want) {
			t.Errorf("%s allows %v, want %v", state, got, want)
		}
		if Decided(state) != (CheckOngoing(state, "x") != nil) {
			t.Errorf("%s decided %v", state, Decided(state))
		}
		if (CheckUnsettled(state, "x") != nil) != (state == Closed) {
			t.Errorf("%s settled", state)
		}
	}
	if Opening(Running) != OpenAcceptance || Opening(InRemedy) != LookAgain || !Measured(Running) || Measured(Accepted) {
		t.Error("opening")
	}
}

func TestModel_BrandOnlyWithADocumentAndOfWhatWasAccepted(t *testing.T) {
	if CheckBrand(" ") == nil || CheckBrand("市委组〔2014〕3号") != nil || CheckModel(false) == nil || CheckModel(true) != nil {
		t.Error("brand")
	}
	if _, err := ModelMachine().Next(NoModel, NameBrand); err == nil {
		t.Error("a brand without a page")
	}
	for s, want := range map[ModelState]bool{NoModel: false, Published: true, Brand: true, Withdrawn: false} {
		if Shown(s) != want {
			t.Errorf("%s shown %v", s, Shown(s))
		}
	}
	for asked, want := range map[int]int{0: 1, 1: 2, 2: 0} {
		if got := NextAnniversary(asked); got != want {
			t.Errorf("after %d: %d", asked, got)
		}
	}
}
