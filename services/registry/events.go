package registry

import (
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// largestEvent in bytes of data; with its envelope an event stays a value of
// the store (64 KiB).
const largestEvent = 60 << 10

// organizationEvent is organization.registered for a new row, else .changed.
func organizationEvent(row table.Row[*pb.Organization]) store.Event {
	name := "organization.changed"
	if row.Revision == 1 {
		name = "organization.registered"
	}
	o := row.Value
	return store.Event{Name: name, EntityID: o.GetId(), Revision: row.Revision, Data: &pb.OrganizationChanged{
		Id: o.GetId(), Kind: o.GetKind(), Path: o.GetPath(), Displayed: o.GetDisplayed(), Revision: row.Revision,
	}}
}

// memberState is what is not personal of a member; before is nil for a new one.
func memberState(row table.Row[*pb.MemberRow], before *pb.MemberRow) *pb.MemberState {
	m := row.Value
	return &pb.MemberState{
		Id: m.GetMember().GetId(), Revision: row.Revision,
		Kind: m.GetMember().GetKind(), Status: m.GetMember().GetStatus(),
		HomePath: m.GetHomePath(), CommunityPath: m.GetCommunityPath(),
		PreviousKind: before.GetMember().GetKind(), PreviousHomePath: before.GetHomePath(),
		PreviousCommunityPath: before.GetCommunityPath(),
	}
}

// emitMembers announces the members that an import slice has changed. The
// longest codes at the greatest depth keep a whole slice below largestEvent.
func emitMembers(tx *store.Tx, importID string, number int, members []*pb.MemberState) error {
	if members == nil {
		return nil
	}
	return tx.Emit(store.Event{
		Name: "member.imported", EntityID: importID + "/" + strconv.Itoa(number), Revision: 1,
		Data: &pb.MembersImported{ImportId: importID, Members: members},
	})
}

// reportInChange is the state of a report-in after a step; before is nil for a
// new one. The day is that of the step in Shanghai.
func reportInChange(row table.Row[*pb.ReportInRow], m *pb.MemberRow, before *pb.ReportInRow, day string) *pb.ReportInStateChange {
	r := row.Value.GetReportIn()
	c := &pb.ReportInStateChange{
		Id: r.GetId(), Revision: row.Revision, MemberId: r.GetMemberId(),
		MemberKind: row.Value.GetMemberKind(), HomePath: row.Value.GetHomePath(),
		CommunityPath: row.Value.GetCommunityPath(), ResidencePath: m.GetCommunityPath(),
		State: r.GetState(), PreviousState: before.GetReportIn().GetState(), Day: day,
		CountedOn: countedOn(row.Value), PreviousCountedOn: countedOn(before),
	}
	if before.GetCommunityPath() != c.GetCommunityPath() {
		c.PreviousCommunityPath = before.GetCommunityPath()
	}
	return c
}

// countedOn is the day on which a report-in counts now: only where it is
// accepted.
func countedOn(r *pb.ReportInRow) string {
	if reportInState(r.GetReportIn().GetState()) != reportin.Accepted {
		return ""
	}
	return r.GetReportIn().GetCountedOn()
}

// emitReportIns announces steps of one kind ("accepted") in one event, or in
// as many as their size needs.
func emitReportIns(tx *store.Tx, step string, changes []*pb.ReportInStateChange) error {
	for len(changes) > 0 {
		part, size := 0, 0
		for part < len(changes) && (part == 0 || size+proto.Size(changes[part])+4 <= largestEvent) {
			size += proto.Size(changes[part]) + 4 // its tag and length
			part++
		}
		err := tx.Emit(store.Event{
			Name: "report_in." + step, EntityID: changes[0].GetId(), Revision: changes[0].GetRevision(),
			Data: &pb.ReportInsChanged{ReportIns: changes[:part]},
		})
		if err != nil {
			return err
		}
		changes = changes[part:]
	}
	return nil
}
