package requests

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
)

// SetHelpWanted says which hours and goods would help. Nothing leads from the
// public layer to its case.
func (a aid) SetHelpWanted(ctx context.Context, req *pb.SetHelpWantedRequest) (*pb.SetHelpWantedResponse, error) {
	call, now, id := access.From(ctx), a.store.Civil().Now(), a.ids("hlp")
	if (req.GetQuarterHours() > 0) != (req.GetWork() != "") {
		return nil, invalid("work", "with quarter_hours, and only with them")
	}
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.SetHelpWantedResponse, error) {
		row, err := a.caseRow(tx, staffScope(call), req.GetId())
		if err != nil {
			return nil, err
		}
		if err := a.mayShow(req, row.Value); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		if err := a.takeDownHelp(tx, next); err != nil {
			return nil, err
		}
		reply := &pb.SetHelpWantedResponse{HelpWanted: &pb.HelpWanted{}}
		if req.GetQuarterHours() > 0 || len(req.GetGoods()) > 0 {
			reply.HelpWanted = &pb.HelpWanted{
				Id: id, CommunityId: row.Value.GetHardshipCase().GetCommunityId(), QuarterHours: req.GetQuarterHours(),
				Work: req.GetWork(), Goods: req.GetGoods(), Since: clock.Day(now),
			}
			next.HelpId = id
			_, err := a.aidTables.help.Insert(tx, &pb.HelpWantedRow{
				Help: reply.HelpWanted, CommunityPath: row.Value.GetCommunityPath(), Since: timestamppb.New(now),
			})
			if err != nil {
				return nil, err
			}
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		_, err = a.aidTables.cases.Replace(tx, row, next)
		return reply, err
	})
}

// mayShow: after consent, before the end, and only what points at nobody.
func (a aid) mayShow(req *pb.SetHelpWantedRequest, row *pb.HardshipCaseRow) error {
	switch s := hardship.State(row.GetHardshipCase().GetState()); s {
	case hardship.Consented, hardship.Relief, hardship.ReliefDecided, hardship.Referred, hardship.MutualAid:
	default:
		return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", a.ladder.Name, "state", s.String(),
			"command", "set help wanted", "allowed", "")
	}
	names, err := a.names(row)
	if err != nil {
		return err
	}
	if err := hardship.CheckPublic("work", req.GetWork(), names); err != nil {
		return err
	}
	for i, g := range req.GetGoods() {
		if err := hardship.CheckPublic(fmt.Sprintf("goods[%d].name", i), g.GetName(), names); err != nil {
			return err
		}
	}
	return nil
}

// takeDownHelp removes the public layer of a case, if it has one.
func (a aid) takeDownHelp(tx *store.Tx, row *pb.HardshipCaseRow) error {
	if row.GetHelpId() == "" {
		return nil
	}
	help, ok, err := a.aidTables.help.Get(tx, scope.All(), key.Key(nil).String(row.GetHelpId()))
	if err != nil {
		return err
	}
	row.HelpId = ""
	if !ok {
		return nil
	}
	return a.aidTables.help.Delete(tx, help)
}

// ListHelpWanted answers what would help in a community: the public layer,
// which belongs to nobody, so that no scope narrows it.
func (a aid) ListHelpWanted(ctx context.Context, req *pb.ListHelpWantedRequest) (*pb.ListHelpWantedResponse, error) {
	call, reply := access.From(ctx), &pb.ListHelpWantedResponse{}
	err := a.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := a.organizations.Shown(r, req.GetCommunityId(), call.Caller.Scope())
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(a.pager, a.aidTables.help, r, page,
			table.Query{Index: byCommunity, Prefix: key.Key(nil).String(string(o.Path))})
		for _, row := range rows {
			reply.HelpWanted = append(reply.HelpWanted, row.Value.GetHelp())
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}
