package registry

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/member"
	"github.com/linli-project/linli/services/registry/internal/organization"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// The domain's words and the proto's names are the same but for prefix and
// case; a test holds them together.
const (
	prefixOrganizationKind = "ORGANIZATION_KIND_"
	prefixMemberKind       = "MEMBER_KIND_"
	prefixMemberStatus     = "MEMBER_STATUS_"
	prefixReportInState    = "REPORT_IN_STATE_"
)

func protoName(prefix, word string) string { return prefix + strings.ToUpper(word) }

func domainWord(prefix, name string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

func organizationKindProto(k organization.Kind) pb.OrganizationKind {
	return pb.OrganizationKind(pb.OrganizationKind_value[protoName(prefixOrganizationKind, string(k))])
}

func organizationKind(k pb.OrganizationKind) organization.Kind {
	return organization.Kind(domainWord(prefixOrganizationKind, k.String()))
}

func memberKindProto(k member.Kind) pb.MemberKind {
	return pb.MemberKind(pb.MemberKind_value[protoName(prefixMemberKind, string(k))])
}

func memberStatusProto(s member.Status) pb.MemberStatus {
	return pb.MemberStatus(pb.MemberStatus_value[protoName(prefixMemberStatus, string(s))])
}

func reportInStateProto(s reportin.State) pb.ReportInState {
	return pb.ReportInState(pb.ReportInState_value[protoName(prefixReportInState, string(s))])
}

func reportInState(s pb.ReportInState) reportin.State {
	if s == pb.ReportInState_REPORT_IN_STATE_UNSPECIFIED {
		return reportin.None
	}
	return reportin.State(domainWord(prefixReportInState, s.String()))
}

// The rows on their way out: the etag is the revision and is never stored.

func organizationProto(row table.Row[*pb.Organization]) *pb.Organization {
	o := proto.CloneOf(row.Value)
	o.Etag = row.Etag()
	return o
}

func memberProto(row table.Row[*pb.MemberRow]) *pb.Member {
	m := proto.CloneOf(row.Value.GetMember())
	m.Etag = row.Etag()
	return m
}

func reportInProto(row table.Row[*pb.ReportInRow]) *pb.ReportIn {
	r := proto.CloneOf(row.Value.GetReportIn())
	r.Etag = row.Etag()
	return r
}

// dayStart answers when a day began in Shanghai.
func (s *Service) dayStart(d member.Day) (*timestamppb.Timestamp, error) {
	t, err := time.ParseInLocation(time.DateOnly, string(d), s.shanghai)
	return timestamppb.New(t), err
}

// day answers the Shanghai day of an instant.
func (s *Service) day(t time.Time) string { return t.In(s.shanghai).Format(time.DateOnly) }
