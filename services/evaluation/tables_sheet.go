package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// What follows the summing of a cycle.
const (
	indexResultCommunity    = store.FirstServiceTable + 80 + iota // cycle, community path, member
	indexResultMember                                             // member, cycle
	tableSignatures                                               // cycle, community path
	tableSheetObjections                                          // id
	indexObjectionCommunity                                       // cycle, community path, objected at
	indexObjectionMember                                          // member, cycle, objected at
	tableIssues                                                   // code
	indexIssueLetter                                              // letter, issue
	indexLetterRemind                                             // remind at
	indexLetterUnanswered                                         // cycle, home path
	tableCards                                                    // number
	indexCardCommunity                                            // community path, number
	indexCardMember                                               // member, number
	indexCardActive                                               // member; unique
	tableCardCounts                                               // community path, year
)

// Names of the indexes.
const (
	byCommunity  = "community"
	byLetter     = "letter"
	byRemind     = "remind"
	byUnanswered = "unanswered"
	byActive     = "active"
)

type sheetTables struct {
	signatures *table.Table[*pb.SignatureRow]
	objections *table.Table[*pb.ObjectionRow]
	issues     *table.Table[*pb.IssueRow]
	cards      *table.Table[*pb.CardRow]
	cardCounts *table.Table[*pb.CardCountRow]
}

func (t sheetTables) all() []table.Checker {
	return []table.Checker{t.signatures, t.objections, t.issues, t.cards, t.cardCounts}
}

func newSheetTables() sheetTables {
	return sheetTables{
		signatures: table.New(table.Spec[*pb.SignatureRow]{
			Number: tableSignatures, Name: "signature",
			Key: func(r *pb.SignatureRow) key.Key {
				return communityKey(r.GetSignature().GetCycleId(), r.GetCommunityPath())
			},
			Paths: func(r *pb.SignatureRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		}),
		objections: sheetObjectionTable(),
		issues: table.New(table.Spec[*pb.IssueRow]{
			Number: tableIssues, Name: "letter_issue",
			Sealed: issueSealed,
			Key:    func(r *pb.IssueRow) key.Key { return key.Key(nil).String(r.GetCode()) },
			Indexes: []table.Index[*pb.IssueRow]{
				{Number: indexIssueLetter, Name: byLetter, Unique: true, Keys: func(r *pb.IssueRow) []key.Key {
					return []key.Key{issueKey(r.GetLetterId(), r.GetIssue())}
				}},
			},
		}),
		cards: cardTable(),
		cardCounts: table.New(table.Spec[*pb.CardCountRow]{
			Number: tableCardCounts, Name: "card_count",
			Key: func(r *pb.CardCountRow) key.Key { return cardCountKey(r.GetCommunityPath(), r.GetYear()) },
		}),
	}
}

func sheetObjectionTable() *table.Table[*pb.ObjectionRow] {
	return table.New(table.Spec[*pb.ObjectionRow]{
		Number: tableSheetObjections, Name: "sheet_objection",
		Sealed: sheetObjectionSealed,
		Key:    func(r *pb.ObjectionRow) key.Key { return key.Key(nil).String(r.GetObjection().GetId()) },
		Paths:  func(r *pb.ObjectionRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Owners: func(r *pb.ObjectionRow) []string { return []string{r.GetObjection().GetMemberId()} },
		Indexes: []table.Index[*pb.ObjectionRow]{
			{Number: indexObjectionCommunity, Name: byCommunity, Keys: func(r *pb.ObjectionRow) []key.Key {
				return []key.Key{communityKey(r.GetObjection().GetCycleId(), r.GetCommunityPath()).Time(r.GetObjection().GetObjectedAt().AsTime())}
			}},
			{Number: indexObjectionMember, Name: byMember, Keys: func(r *pb.ObjectionRow) []key.Key {
				return []key.Key{memberCycleKey(r.GetObjection().GetMemberId(), r.GetObjection().GetCycleId()).Time(r.GetObjection().GetObjectedAt().AsTime())}
			}},
		},
	})
}

func cardTable() *table.Table[*pb.CardRow] {
	return table.New(table.Spec[*pb.CardRow]{
		Number: tableCards, Name: "card",
		Key:    func(r *pb.CardRow) key.Key { return key.Key(nil).String(r.GetCard().GetNumber()) },
		Paths:  func(r *pb.CardRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Owners: func(r *pb.CardRow) []string { return []string{r.GetCard().GetMemberId()} },
		Indexes: []table.Index[*pb.CardRow]{
			{Number: indexCardCommunity, Name: byCommunity, Keys: func(r *pb.CardRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).String(r.GetCard().GetNumber())}
			}},
			{Number: indexCardMember, Name: byMember, Keys: func(r *pb.CardRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCard().GetMemberId()).String(r.GetCard().GetNumber())}
			}},
			{Number: indexCardActive, Name: byActive, Unique: true, Keys: func(r *pb.CardRow) []key.Key {
				if r.GetCard().GetState() != pb.CardState_CARD_STATE_ACTIVE {
					return nil
				}
				return []key.Key{key.Key(nil).String(r.GetCard().GetMemberId())}
			}},
		},
	})
}

func communityKey(cycle, path string) key.Key { return cycleKey(cycle).String(path) }

func memberCycleKey(member, cycle string) key.Key { return key.Key(nil).String(member).String(cycle) }

func issueKey(letter string, issue int32) key.Key {
	return key.Key(nil).String(letter).Uint(uint64(issue))
}

func cardCountKey(communityPath string, year int32) key.Key {
	return key.Key(nil).String(communityPath).Uint(uint64(year))
}
