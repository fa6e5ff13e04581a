package projects

import (
	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
)

// The layout between the decision and the key project. Numbers are never
// reused.
const (
	numberNotices                 = store.FirstServiceTable + 40 + iota // id
	numberNoticesByDistrict                                             // district id, given at (latest first)
	numberApplicationsByNotice                                          // notice id, rank, number
	numberApplicationsByDue                                             // end of its notice, while no objection is open
	numberApplicationsByOwed                                            // decided at, while a letter is owed
	numberObjections                                                    // id
	numberObjectionsByApplication                                       // application id, made at
	numberObjectionsByPerson                                            // person, made at
	numberObjectionsOnce                                                // application id, person; unique
	numberLetters                                                       // application id, issue
)

// Names of the indexes.
const (
	byNotice      = "notice"
	byDue         = "due"
	byOwed        = "owed"
	byApplication = "application"
	byPerson      = "person"
	byOnce        = "once"
)

// noticeTable: notices are public, and read as the house does.
func noticeTable() *table.Table[*pb.NoticeRow] {
	return table.New(table.Spec[*pb.NoticeRow]{
		Number: numberNotices, Name: "notice",
		Key: func(n *pb.NoticeRow) key.Key { return idKey(n.GetNotice().GetId()) },
		Paths: func(n *pb.NoticeRow) []scope.Path {
			return []scope.Path{districtSide(scope.Path(n.GetDistrictPath()))}
		},
		Indexes: []table.Index[*pb.NoticeRow]{
			{Number: numberNoticesByDistrict, Name: byDistrict, Keys: func(n *pb.NoticeRow) []key.Key {
				return []key.Key{idKey(n.GetNotice().GetDistrictId()).Uint(^uint64(n.GetNotice().GetGivenAt().AsTime().UnixNano()))}
			}},
		},
	})
}

func noticeKeys(a *pb.ApplicationRow) []key.Key {
	if a.GetApplication().GetNoticeId() == "" {
		return nil
	}
	return []key.Key{idKey(a.GetApplication().GetNoticeId()).Uint(uint64(a.GetApplication().GetRank())).String(a.GetApplication().GetNumber())}
}

// dueKeys: the index holds what the passing of time alone makes a key project.
func dueKeys(a *pb.ApplicationRow) []key.Key {
	if application.State(a.GetApplication().GetState()) != application.InNotice || a.GetOpenObjections() > 0 {
		return nil
	}
	return []key.Key{key.Key(nil).Time(a.GetApplication().GetNoticeUntil().AsTime())}
}

func owedKeys(a *pb.ApplicationRow) []key.Key {
	if len(a.GetOwedLetters()) == 0 {
		return nil
	}
	return []key.Key{key.Key(nil).Time(a.GetOwedLetters()[0].GetDecidedAt().AsTime())}
}

// objectionTable: an objection is the district's, and its maker's own. The
// unique index keeps one person from objecting twice.
func objectionTable() *table.Table[*pb.SelectionObjectionRow] {
	return table.New(table.Spec[*pb.SelectionObjectionRow]{
		Number: numberObjections, Name: "selection_objection",
		Sealed: objectionSealed,
		Key:    func(o *pb.SelectionObjectionRow) key.Key { return idKey(o.GetObjection().GetId()) },
		Paths: func(o *pb.SelectionObjectionRow) []scope.Path {
			return []scope.Path{districtSide(scope.Path(o.GetDistrictPath()))}
		},
		Owners: func(o *pb.SelectionObjectionRow) []string { return []string{o.GetPerson()} },
		Indexes: []table.Index[*pb.SelectionObjectionRow]{
			{Number: numberObjectionsByApplication, Name: byApplication, Keys: func(o *pb.SelectionObjectionRow) []key.Key {
				return []key.Key{idKey(o.GetObjection().GetApplicationId()).Time(o.GetObjection().GetMadeAt().AsTime())}
			}},
			{Number: numberObjectionsByPerson, Name: byPerson, Keys: func(o *pb.SelectionObjectionRow) []key.Key {
				return []key.Key{idKey(o.GetPerson()).Time(o.GetObjection().GetMadeAt().AsTime())}
			}},
			{Number: numberObjectionsOnce, Name: byOnce, Unique: true, Keys: func(o *pb.SelectionObjectionRow) []key.Key {
				return []key.Key{idKey(o.GetObjection().GetApplicationId()).String(o.GetPerson())}
			}},
		},
	})
}

func letterKey(applicationID string, issue int32) key.Key {
	return idKey(applicationID).Uint(uint64(issue))
}

// letterTable: a letter is read by whom it is for, and by the district.
func letterTable() *table.Table[*pb.ApplicationLetterRow] {
	return table.New(table.Spec[*pb.ApplicationLetterRow]{
		Number: numberLetters, Name: "letter",
		Key: func(l *pb.ApplicationLetterRow) key.Key {
			return letterKey(l.GetLetter().GetApplicationId(), l.GetLetter().GetIssue())
		},
		Paths: func(l *pb.ApplicationLetterRow) []scope.Path {
			paths := []scope.Path{districtSide(scope.Path(l.GetDistrictPath())), applicantSide(scope.Path(l.GetApplicantPath()))}
			for _, p := range l.GetCoApplicantPaths() {
				paths = append(paths, applicantSide(scope.Path(p)))
			}
			return paths
		},
	})
}
