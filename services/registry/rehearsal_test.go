package registry

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

func (h *house) rehearse(from, path string, accept bool, text string) *pb.ImportRosterResponse {
	h.t.Helper()
	done, err := h.beginFile(h.officer(path), &pb.ImportRosterHeader{OrganizationId: from, AcceptReportIns: accept, DryRun: true}, text).CloseAndRecv()
	must(h.t, err)
	return done
}

// footprint counts everything an import leaves: rows, events, audit lines.
func (h *house) footprint() (n [6]int) {
	h.t.Helper()
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) error {
		lines, err := store.AuditRows(r, 1000)
		n[0] = len(lines)
		return err
	}))
	n[1], n[2], n[3] = h.count(h.service.members), h.count(h.service.reportIns), h.count(h.service.imports)
	n[4], n[5] = h.count(h.service.slices), len(h.events())
	return n
}

// TestImportRoster_DryRun: a rehearsal answers what the import then does, for
// every kind of row, and leaves nothing behind.
func TestImportRoster_DryRun(t *testing.T) {
	h := start(t).withDistrict()
	h.sends("W00005", workplace, false, "4 0 0 0 |", person(1), person(2, "身份证号", ""), person(3), person(4))
	h.sends("W00006", district+"W00006/", false, "1 0 0 0 |", person(5, "组织关系所在党组织编码", "W00006", "工作单位编码", "W00006"))
	h.reportedIn(h.memberIDs("W00005")[0])
	h.Drain()
	before := h.footprint()
	text := rosterOf(
		person(1), // as it is
		person(2), // an ID number is new
		person(6, "姓名", "党员2", "手机号", "13900000002"), // another number, the same name and phone
		person(3, "楼栋", "9栋"),                        // changed
		person(4, "报到日期", ""),                        // no date
		person(7),                                    // new
		person(7),                                    // twice
		person(8, "性别", "男"),                         // a fault
		person(5, "楼栋", "8栋"),                        // contradicts another source
	)
	want := "2 2 2 4 | 8:身份证号:ROSTER_DUPLICATE 9:性别:ROSTER_SEX_CONTRADICTS 10::ROSTER_CONTRADICTS_SOURCE"
	rehearsed := h.rehearse("W00005", workplace, true, text)
	h.Drain()
	if after := h.footprint(); after != before {
		t.Errorf("a rehearsal left something: %v, before %v", after, before)
	}
	if rehearsed.GetImportId() != "" {
		t.Errorf("import id %q", rehearsed.GetImportId())
	}
	done, err := h.sendRoster(h.officer(district), "W00005", true, text)
	must(t, err)
	rehearsed.ImportId = done.GetImportId()
	if !proto.Equal(rehearsed, done) || outcomeOf(done) != want {
		t.Errorf("rehearsed %s, did %s, want %s", outcomeOf(rehearsed), outcomeOf(done), want)
	}
}

// TestImportRoster_DryRunOfTheBadRoster: the same faults, and no row.
func TestImportRoster_DryRunOfTheBadRoster(t *testing.T) {
	h := start(t).withDistrict()
	done, err := h.beginFile(h.districtOfficer(), &pb.ImportRosterHeader{OrganizationId: "430101", AcceptReportIns: true, DryRun: true}, badRoster(t)).CloseAndRecv()
	must(t, err)
	if len(done.GetFaults()) != 13 || done.GetCreated() != 187 || done.GetReportIns() != 181 || h.count(h.service.members) != 0 {
		t.Errorf("rehearsed %s", outcomeOf(done))
	}
	_, err = h.beginFile(h.officer(workplace), &pb.ImportRosterHeader{OrganizationId: "W00006", DryRun: true}, rosterOf(person(1))).CloseAndRecv()
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.beginFile(h.officer(workplace), &pb.ImportRosterHeader{OrganizationId: "W00005", DryRun: true}, strings.Replace(rosterOf(), "手机号", "电话", 1)).CloseAndRecv()
	wantReason(t, err, "ROSTER_COLUMN_MISSING")
}
