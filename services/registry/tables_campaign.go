package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of the campaign's tables and indexes.
const (
	numberCampaign       uint16 = 60 // id
	numberCampaignByYear uint16 = 61 // district path, year (latest first), unique: one a year
	numberCampaignWatch  uint16 = 62 // id, while a reminder is left

	numberExclusion         uint16 = 63 // campaign, member
	numberExclusionByHome   uint16 = 64 // campaign, home path
	numberExclusionApproved uint16 = 65 // campaign, home path, while it holds
	numberExclusionByMember uint16 = 66 // member

	numberPlace            uint16 = 67 // id
	numberPlaceBySubject   uint16 = 68 // member or workplace, community, unique
	numberPlaceByCommunity uint16 = 69 // community path
	numberPlaceByHome      uint16 = 70 // home path

	numberDays uint16 = 71 // home path, kind
)

const (
	byYear     = "year"
	byWatch    = "watch"
	byApproved = "approved"
	bySubject  = "subject"
)

type campaignTables struct {
	campaigns  *table.Table[*pb.CampaignRow]
	exclusions *table.Table[*pb.ExclusionRow]
	places     *table.Table[*pb.PlaceRow]
	days       *table.Table[*pb.DaysRow]
}

func newCampaignTables() campaignTables {
	return campaignTables{
		campaigns:  campaignTable(),
		exclusions: exclusionTable(),
		places:     placeTable(),
		days: table.New(table.Spec[*pb.DaysRow]{
			Number: numberDays, Name: "report_in_days",
			Key: func(r *pb.DaysRow) key.Key { return daysKey(r.GetPath(), r.GetKind()) },
		}),
	}
}

// campaignTable: who may know of a campaign depends on the tree around its
// district; see campaign.
func campaignTable() *table.Table[*pb.CampaignRow] {
	return table.New(table.Spec[*pb.CampaignRow]{
		Number: numberCampaign, Name: "campaign",
		Key: func(r *pb.CampaignRow) key.Key { return idKey(r.GetCampaign().GetId()) },
		Indexes: []table.Index[*pb.CampaignRow]{
			{Number: numberCampaignByYear, Name: byYear, Unique: true, Keys: func(r *pb.CampaignRow) []key.Key {
				return []key.Key{campaignYearKey(r.GetDistrictPath(), r.GetCampaign().GetYear())}
			}},
			{Number: numberCampaignWatch, Name: byWatch, Keys: func(r *pb.CampaignRow) []key.Key {
				if r.GetDone() {
					return nil
				}
				return []key.Key{nil}
			}},
		},
	})
}

// exclusionTable: an exclusion is seen from the home organization and from the
// district, which approves it.
func exclusionTable() *table.Table[*pb.ExclusionRow] {
	atHome := func(r *pb.ExclusionRow) []key.Key {
		return []key.Key{key.Key(nil).String(r.GetExclusion().GetCampaignId()).String(r.GetHomePath())}
	}
	return table.New(table.Spec[*pb.ExclusionRow]{
		Number: numberExclusion, Name: "exclusion",
		Sealed: exclusionSealed,
		Key: func(r *pb.ExclusionRow) key.Key {
			return exclusionKey(r.GetExclusion().GetCampaignId(), r.GetExclusion().GetMemberId())
		},
		Paths: func(r *pb.ExclusionRow) []scope.Path { return pathsOf(r.GetHomePath(), r.GetDistrictPath()) },
		Indexes: []table.Index[*pb.ExclusionRow]{
			{Number: numberExclusionByHome, Name: byHome, Keys: atHome},
			{Number: numberExclusionApproved, Name: byApproved, Keys: func(r *pb.ExclusionRow) []key.Key {
				if r.GetExclusion().GetState() != pb.ExclusionState_EXCLUSION_STATE_APPROVED {
					return nil
				}
				return atHome(r)
			}},
			{Number: numberExclusionByMember, Name: byMember, Keys: func(r *pb.ExclusionRow) []key.Key {
				return []key.Key{idKey(r.GetExclusion().GetMemberId())}
			}},
		},
	})
}

// placeTable: a second place is seen from its community and from the home
// organization.
func placeTable() *table.Table[*pb.PlaceRow] {
	return table.New(table.Spec[*pb.PlaceRow]{
		Number: numberPlace, Name: "place",
		Key:   func(r *pb.PlaceRow) key.Key { return idKey(r.GetPlace().GetId()) },
		Paths: func(r *pb.PlaceRow) []scope.Path { return pathsOf(r.GetCommunityPath(), r.GetHomePath()) },
		Indexes: []table.Index[*pb.PlaceRow]{
			{Number: numberPlaceBySubject, Name: bySubject, Unique: true, Keys: func(r *pb.PlaceRow) []key.Key {
				return []key.Key{idKey(r.GetPlace().GetSubjectId()).String(r.GetPlace().GetCommunityId())}
			}},
			{Number: numberPlaceByCommunity, Name: byCommunity, Keys: func(r *pb.PlaceRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath())}
			}},
			{Number: numberPlaceByHome, Name: byHome, Keys: func(r *pb.PlaceRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetHomePath())}
			}},
		},
	})
}

func campaignYearKey(districtPath string, year int32) key.Key {
	return key.Key(nil).String(districtPath).Uint(^uint64(year))
}

func exclusionKey(campaignID, memberID string) key.Key {
	return key.Key(nil).String(campaignID).String(memberID)
}

func daysKey(path string, kind pb.MemberKind) key.Key {
	return key.Key(nil).String(path).Uint(uint64(kind))
}
