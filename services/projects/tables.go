package projects

import (
	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// The persistent layout. Numbers are never reused.
const (
	numberCalls              = store.FirstServiceTable + iota // id
	numberCallsByDistrict                                     // district id, year (latest first)
	numberRolls                                               // call id
	numberApplications                                        // id
	numberApplicationsByCall                                  // call id, number; unique
	numberSheets                                              // call id, application id, reviewer
	numberDecisions                                           // call id
	numberConflicts                                           // call id, application id, reviewer
)

const numberApplicationsByApplicant = store.FirstServiceTable + 110 // path of an applicant, call id, number, id

// Names of the indexes.
const (
	byApplicant = "applicant"
	byDistrict  = "district"
	byNumber    = "number"
)

type tables struct {
	calls        *table.Table[*pb.CallRow]
	rolls        *table.Table[*pb.RollRow]
	applications *table.Table[*pb.ApplicationRow]
	sheets       *table.Table[*pb.SheetRow]
	decisions    *table.Table[*pb.DecisionRow]
	conflicts    *table.Table[*pb.ConflictRow]
	notices      *table.Table[*pb.NoticeRow]
	objections   *table.Table[*pb.SelectionObjectionRow]
	letters      *table.Table[*pb.ApplicationLetterRow]
}

func newTables() tables {
	return tables{
		calls: callTable(), rolls: rollTable(), applications: applicationTable(),
		sheets: sheetTable(), decisions: decisionTable(), conflicts: conflictTable(),
		notices: noticeTable(), objections: objectionTable(), letters: letterTable(),
	}
}

// callTable: a call is its officers' at any time. Once it is open, whoever
// stands in the district may read it, and its reviewers, wherever they stand.
func callTable() *table.Table[*pb.CallRow] {
	published := func(c *pb.CallRow) bool { return call.State(c.GetCall().GetState()) != call.Draft }
	return table.New(table.Spec[*pb.CallRow]{
		Number: numberCalls, Name: "call",
		Key: func(c *pb.CallRow) key.Key { return idKey(c.GetCall().GetId()) },
		Paths: func(c *pb.CallRow) []scope.Path {
			district := scope.Path(c.GetDistrictPath())
			paths := []scope.Path{districtSide(district), citySide(district)}
			if published(c) {
				paths = append(paths, standsAt(district))
			}
			return paths
		},
		Owners: func(c *pb.CallRow) []string {
			if !published(c) {
				return nil
			}
			return persons(c.GetCall().GetReviewers())
		},
		Indexes: []table.Index[*pb.CallRow]{
			{Number: numberCallsByDistrict, Name: byDistrict, Keys: func(c *pb.CallRow) []key.Key {
				return []key.Key{idKey(c.GetCall().GetDistrictId()).Uint(^uint64(c.GetCall().GetYear()))}
			}},
		},
	})
}

// rollTable: nobody reads the roll, it is there to be counted on.
func rollTable() *table.Table[*pb.RollRow] {
	return table.New(table.Spec[*pb.RollRow]{
		Number: numberRolls, Name: "roll",
		Key: func(r *pb.RollRow) key.Key { return idKey(r.GetCallId()) },
	})
}

// applicationTable: an application is its applicants' at any time, the
// district's and the reviewers' from the review on. The unique index keeps
// numbers apart and is the order of lists; a withdrawn one is in none.
func applicationTable() *table.Table[*pb.ApplicationRow] {
	return table.New(table.Spec[*pb.ApplicationRow]{
		Number: numberApplications, Name: "application",
		Key: func(a *pb.ApplicationRow) key.Key { return idKey(a.GetApplication().GetId()) },
		Paths: func(a *pb.ApplicationRow) []scope.Path {
			paths := []scope.Path{applicantSide(scope.Path(a.GetApplicantPath()))}
			for _, p := range a.GetCoApplicantPaths() {
				paths = append(paths, applicantSide(scope.Path(p)))
			}
			if !sealed(a) {
				paths = append(paths, districtSide(scope.Path(a.GetDistrictPath())))
			}
			return paths
		},
		Owners: func(a *pb.ApplicationRow) []string {
			if sealed(a) {
				return nil
			}
			return a.GetReviewers()
		},
		Indexes: []table.Index[*pb.ApplicationRow]{
			{Number: numberApplicationsByCall, Name: byNumber, Unique: true, Keys: func(a *pb.ApplicationRow) []key.Key {
				if application.State(a.GetApplication().GetState()) == application.Withdrawn {
					return nil
				}
				return []key.Key{numberKey(a.GetApplication().GetCallId(), a.GetApplication().GetNumber())}
			}},
			{Number: numberApplicationsByApplicant, Name: byApplicant, Keys: applicantKeys},
			{Number: numberApplicationsByNotice, Name: byNotice, Keys: noticeKeys},
			{Number: numberApplicationsByDue, Name: byDue, Keys: dueKeys},
			{Number: numberApplicationsByOwed, Name: byOwed, Keys: owedKeys},
		},
	})
}

// applicantKeys puts an application into the list of each of its applicants.
func applicantKeys(a *pb.ApplicationRow) (keys []key.Key) {
	for _, path := range append([]string{a.GetApplicantPath()}, a.GetCoApplicantPaths()...) {
		keys = append(keys, key.Key(nil).String(path).String(a.GetApplication().GetCallId()).String(a.GetApplication().GetNumber()))
	}
	return keys
}

// sheetTable: the key is what makes a second sheet of the same reviewer for
// the same application impossible, and the order in which sheets are read. A
// sheet is its reviewer's and the district's.
func sheetTable() *table.Table[*pb.SheetRow] {
	return table.New(table.Spec[*pb.SheetRow]{
		Number: numberSheets, Name: "sheet",
		Key: func(h *pb.SheetRow) key.Key {
			return sheetKey(h.GetCallId(), h.GetSheet().GetApplicationId(), h.GetSheet().GetReviewer())
		},
		Paths: func(h *pb.SheetRow) []scope.Path {
			return []scope.Path{districtSide(scope.Path(h.GetDistrictPath()))}
		},
		Owners: func(h *pb.SheetRow) []string { return []string{h.GetSheet().GetReviewer()} },
	})
}

// decisionTable: nobody reads it but who makes the selection file.
func decisionTable() *table.Table[*pb.DecisionRow] {
	return table.New(table.Spec[*pb.DecisionRow]{
		Number: numberDecisions, Name: "decision",
		Key: func(d *pb.DecisionRow) key.Key { return idKey(d.GetCallId()) },
	})
}

// conflictTable: declared conflicts are the district's to read.
func conflictTable() *table.Table[*pb.ConflictRow] {
	return table.New(table.Spec[*pb.ConflictRow]{
		Number: numberConflicts, Name: "conflict",
		Key: func(c *pb.ConflictRow) key.Key {
			return sheetKey(c.GetCallId(), c.GetConflict().GetApplicationId(), c.GetConflict().GetReviewer())
		},
		Paths: func(c *pb.ConflictRow) []scope.Path {
			return []scope.Path{districtSide(scope.Path(c.GetDistrictPath()))}
		},
	})
}

func sealed(a *pb.ApplicationRow) bool {
	return application.Sealed(application.State(a.GetApplication().GetState()))
}

func idKey(id string) key.Key { return key.Key(nil).String(id) }

func numberKey(callID, number string) key.Key { return idKey(callID).String(number) }

func sheetKey(callID, applicationID, reviewer string) key.Key {
	return idKey(callID).String(applicationID).String(reviewer)
}

func persons(reviewers []*pb.Reviewer) []string {
	out := make([]string, len(reviewers))
	for i, r := range reviewers {
		out[i] = r.GetPerson()
	}
	return out
}
