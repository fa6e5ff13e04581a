package main

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// TestAffected_EachPersonOnceWithTheTimes: whoever a line names as subject is
// affected; who acted, and the rows alone, are not.
func TestAffected_EachPersonOnceWithTheTimes(t *testing.T) {
	at := func(minute int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2013, 12, 30, 8, minute, 0, 0, time.UTC))
	}
	all := map[string]*affected{}
	for _, l := range []struct {
		service string
		line    *pb.AuditLine
	}{
		{"registry", &pb.AuditLine{Time: at(9), Person: "per_1", Subjects: []string{"mem_1", "mem_2"}}},
		{"requests", &pb.AuditLine{Time: at(3), Person: "per_1", Subjects: []string{"mem_2"}}},
		{"registry", &pb.AuditLine{Time: at(1), Person: "per_1", Rows: []string{"mem_9"}}},
	} {
		noteAffected(all, l.service, l.line)
	}
	got := byFirst(all)
	if len(got) != 2 || got[0].person != "mem_2" || got[1].person != "mem_1" {
		t.Fatalf("%v", got)
	}
	if a := got[0]; a.times != 2 || !a.first.Equal(at(3).AsTime()) || !a.last.Equal(at(9).AsTime()) || len(a.services) != 2 {
		t.Errorf("%+v", a)
	}
	if persons := len(all); persons != 2 || slices.ContainsFunc(got, func(a *affected) bool { return a.person == "per_1" || a.person == "mem_9" }) {
		t.Errorf("%d persons", persons)
	}
}
