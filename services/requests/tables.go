package requests

import (
	"encoding/hex"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// The persistent layout. Numbers are never reused.
const (
	tableRequests    = store.FirstServiceTable + iota // id
	indexByCommunity                                  // community path, posted at (latest first)
	indexByState                                      // community path, state, posted at (latest first)
	indexByPerson                                     // author or helper, posted at (latest first)
	tableFigures                                      // community path, measure
	tableAuthors                                      // community path, keyed hash of the author
)

// Those of the whole circle; 50 to 69 are the hardship cases'.
const (
	indexByCode        = store.FirstServiceTable + 20 + iota // code
	indexByPublic                                            // community path, posted at (latest first)
	indexByLook                                              // next look
	tableParticipants                                        // community path, keyed hash of the person
	tableJoined                                              // request id, keyed hash of the person
	tableMessages                                            // request id, sequence
	tableConversations                                       // request id
	tableNuisance                                            // keyed hash of the author
	tableDuties                                              // district path, category
	tableStandings                                           // request id
	indexByExcluded                                          // community path, year, posted at
)

// Those of places and providers.
const (
	tablePlaces          = store.FirstServiceTable + 110 + iota // community path, month, building
	tableProviders                                              // id
	indexProvidersByName                                        // community path, state, name
	indexProvidersByWhat                                        // community path, category, name; while approved
)

// Names of the indexes.
const (
	byCommunity = "community"
	byState     = "state"
	byPerson    = "person"
	byCode      = "code"
	byPublic    = "public"
	byLook      = "look"
	byExcluded  = "excluded"
)

type tables struct {
	requests      *table.Table[*pb.RequestRow]
	figures       *table.Table[*pb.FigureRow]
	authors       *table.Marks
	participants  *table.Marks
	joined        *table.Marks
	messages      *table.Table[*pb.MessageRow]
	conversations *table.Table[*pb.ConversationRow]
	nuisance      *table.Table[*pb.NuisanceRow]
	duties        *table.Table[*pb.DutyRow]
	standings     *table.Table[*pb.StandingRow]
	places        *table.Table[*pb.NuisancePlaceRow]
	summary       *table.Skim // of requests
}

func newTables() tables {
	return tables{
		requests: table.New(requestSpec()), summary: summarySkim(),
		figures: table.New(table.Spec[*pb.FigureRow]{
			Number: tableFigures, Name: "request_figure",
			Key: func(f *pb.FigureRow) key.Key { return figureKey(f.GetPath(), f.GetMeasure()) },
		}),
		authors:      table.NewMarks(tableAuthors, "request_author"),
		participants: table.NewMarks(tableParticipants, "participant"),
		joined:       table.NewMarks(tableJoined, "request_joined"),
		messages: table.New(table.Spec[*pb.MessageRow]{
			Number: tableMessages, Name: "request_message",
			Sealed: messageSealed,
			Key:    func(m *pb.MessageRow) key.Key { return requestKey(m.GetRequestId()).Uint(uint64(m.GetSequence())) },
		}),
		conversations: table.New(table.Spec[*pb.ConversationRow]{
			Number: tableConversations, Name: "conversation",
			Key: func(c *pb.ConversationRow) key.Key { return requestKey(c.GetRequestId()) },
		}),
		nuisance: table.New(table.Spec[*pb.NuisanceRow]{
			Number: tableNuisance, Name: "nuisance_author",
			Key: func(n *pb.NuisanceRow) key.Key { return key.Key(nil).String(n.GetAuthorHash()) },
		}),
		duties: table.New(table.Spec[*pb.DutyRow]{
			Number: tableDuties, Name: "duty",
			Key:   func(d *pb.DutyRow) key.Key { return dutyKey(d.GetDistrictPath(), d.GetDuty().GetCategory()) },
			Paths: func(d *pb.DutyRow) []scope.Path { return []scope.Path{scope.Path(d.GetDistrictPath())} },
		}),
		standings: table.New(table.Spec[*pb.StandingRow]{
			Number: tableStandings, Name: "request_standing",
			Key: func(s *pb.StandingRow) key.Key { return requestKey(s.GetRequestId()) },
		}),
		places: table.New(table.Spec[*pb.NuisancePlaceRow]{
			Number: tablePlaces, Name: "nuisance_place",
			Key: func(p *pb.NuisancePlaceRow) key.Key { return placeKey(p.GetPath(), p.GetMonth(), p.GetBuilding()) },
		}),
	}
}

// requestSpec: a request is its community's, and those whose own it is.
func requestSpec() table.Spec[*pb.RequestRow] {
	return table.Spec[*pb.RequestRow]{
		Number: tableRequests, Name: "request",
		Sealed: requestSealed,
		Key:    func(r *pb.RequestRow) key.Key { return requestKey(r.GetRequest().GetId()) },
		Paths:  func(r *pb.RequestRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Owners: func(r *pb.RequestRow) []string {
			return persons(r.GetRequest())
		},
		Indexes: []table.Index[*pb.RequestRow]{
			{Number: indexByCommunity, Name: byCommunity, Keys: func(r *pb.RequestRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).TimeDesc(r.GetRequest().GetPostedAt().AsTime())}
			}},
			{Number: indexByState, Name: byState, Keys: func(r *pb.RequestRow) []key.Key {
				return []key.Key{stateKey(r.GetCommunityPath(), r.GetRequest().GetState()).TimeDesc(r.GetRequest().GetPostedAt().AsTime())}
			}},
			{Number: indexByPerson, Name: byPerson, Keys: func(r *pb.RequestRow) []key.Key {
				var keys []key.Key
				for _, p := range persons(r.GetRequest()) {
					keys = append(keys, key.Key(nil).String(p).TimeDesc(r.GetRequest().GetPostedAt().AsTime()))
				}
				return keys
			}},
			{Number: indexByCode, Name: byCode, Unique: true, Keys: func(r *pb.RequestRow) []key.Key {
				if r.GetRequest().GetCode() == "" {
					return nil
				}
				return []key.Key{key.Key(nil).String(r.GetRequest().GetCode())}
			}},
			{Number: indexByPublic, Name: byPublic, Keys: func(r *pb.RequestRow) []key.Key {
				if !public(r.GetRequest()) {
					return nil
				}
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).TimeDesc(r.GetRequest().GetPostedAt().AsTime())}
			}},
			{Number: indexByLook, Name: byLook, Keys: func(r *pb.RequestRow) []key.Key {
				if r.GetNextLook() == nil {
					return nil
				}
				return []key.Key{key.Key(nil).Time(r.GetNextLook().AsTime())}
			}},
			{Number: indexByExcluded, Name: byExcluded, Keys: func(r *pb.RequestRow) []key.Key {
				if r.GetExclusion() == nil {
					return nil
				}
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).Uint(uint64(yearOf(r.GetRequest()))).Time(r.GetRequest().GetPostedAt().AsTime())}
			}},
		},
	}
}

// all are the tables for checks.
func (t tables) all() []table.Checker {
	return []table.Checker{
		t.requests, t.figures, t.authors, t.participants, t.joined, t.messages, t.conversations, t.nuisance, t.duties, t.standings,
		t.places,
	}
}

func dutyKey(districtPath, category string) key.Key {
	return key.Key(nil).String(districtPath).String(category)
}

// requestOpen says whether somebody still has to see to a request.
func requestOpen(r *pb.Request) bool { return request.Open(request.State(r.GetState())) }

// public says whether everybody in the community may see a request.
func public(r *pb.Request) bool {
	return r.GetVisibility() != pb.Visibility_VISIBILITY_STAFF_ONLY && r.GetState() != pb.RequestState_REQUEST_STATE_DECLINED
}

// yearOf is the Shanghai year in which a request was posted.
func yearOf(r *pb.Request) int32 {
	return int32(r.GetPostedAt().AsTime().In(clock.Shanghai()).Year())
}

func requestKey(id string) key.Key { return key.Key(nil).String(id) }

func stateKey(path string, s pb.RequestState) key.Key {
	return key.Key(nil).String(path).Uint(uint64(s))
}

func figureKey(path, measure string) key.Key { return key.Key(nil).String(path).String(measure) }

// persons whose own a request is: its author, and whom it is dispatched to.
func persons(r *pb.Request) []string {
	helper := helperOf(r)
	if helper == "" || helper == r.GetAuthor() {
		return []string{r.GetAuthor()}
	}
	return []string{r.GetAuthor(), helper}
}

// authorKey is where a community remembers that somebody has posted: under a
// keyed hash, since it only ever has to be found again.
func (s *Service) authorKey(communityPath, author string) key.Key {
	return key.Key(nil).String(communityPath).
		String(hex.EncodeToString(s.store.Keyring().Blind("request author", communityPath, author)))
}

// yearKey is where a community remembers that somebody took part in a year.
func (s *Service) yearKey(communityPath, person, year string) key.Key {
	return key.Key(nil).String(communityPath).
		String(hex.EncodeToString(s.store.Keyring().Blind("request participant of a year", communityPath, person, year)))
}
