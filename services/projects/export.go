package projects

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/selection"
)

// ExportSelection answers the file that a decided call rests on.
func (s *Service) ExportSelection(ctx context.Context, req *pb.ExportSelectionRequest) (*pb.ExportSelectionResponse, error) {
	c := access.From(ctx)
	var out pb.ExportSelectionResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.call(r, sight(c), req.GetCallId(), "")
		if err != nil {
			return err
		}
		if err := call.CheckExportable(call.State(row.Value.GetCall().GetState())); err != nil {
			return err
		}
		file, err := s.selectionFile(r, row.Value)
		if err != nil {
			return err
		}
		if out.Content, err = file.Encode(); err != nil {
			return err
		}
		out.FileName = fmt.Sprintf("selection-%d.json", row.Value.GetCall().GetYear())
		out.Hash, err = hashOf(file)
		return err
	})
	return &out, err
}

// selectionFile makes the file of a decided call again, to the byte.
func (s *Service) selectionFile(r kv.Reader, row *pb.CallRow) (selection.File, error) {
	counted, err := s.countIn(r, row)
	if err != nil {
		return selection.File{}, err
	}
	file, err := counted.decide(row, nil)
	if err != nil {
		return file, err
	}
	decision, ok, err := s.tables.decisions.Get(r, scope.All(), idKey(row.GetCall().GetId()))
	if err == nil && !ok {
		err = rule.Absent("decision", row.GetCall().GetId())
	}
	file.Decision = nil
	for _, d := range decision.Value.GetApplications() {
		file.Decision = append(file.Decision, selection.Decided{
			Number: d.GetNumber(), Outcome: selection.OutcomeName(outcomeOf(d.GetOutcome())), Reason: d.GetReason(),
		})
	}
	return file, err
}

// hashOf answers the hash of a selection file, as minutes quote it.
func hashOf(file selection.File) (string, error) {
	content, err := file.Encode()
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), err
}
