package projects

import (
	"context"
	"strconv"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/documents"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/pictures"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/spending"
)

// AddProof takes a proof: a document, or a picture, of which only the pixels are
// kept.
func (s attachments) AddProof(stream grpc.ClientStreamingServer[pb.AddProofRequest, pb.AddProofResponse]) error {
	ctx, c := stream.Context(), access.From(stream.Context())
	isHeader := func(m *pb.AddProofRequest) bool { return m.GetHeader() != nil }
	first, err := blobs.First(stream.Recv, isHeader)
	if err != nil {
		return err
	}
	header := first.GetHeader()
	open := s.ownProof(c, header.GetProjectId(), header.GetOf(), header.GetOfId(), "add a proof")
	if err := s.mayReceive(ctx, open); err != nil {
		return err
	}
	file, err := blobs.Receive(ctx, stream.Recv, isHeader, documents.MostBytes)
	if err != nil {
		return err
	}
	digest := digestOf(file)
	file, kind, err := s.proof(ctx, file)
	if err != nil {
		return err
	}
	out, err := s.keepFile(ctx, file, kind, &pb.FileSent{
		OwnerId: header.GetProjectId(), Of: header.GetOf(), OfId: header.GetOfId(), Name: header.GetName(), Sha256: digest,
	}, open)
	if err != nil {
		return err
	}
	s.address(c, out)
	return stream.SendAndClose(&pb.AddProofResponse{Proof: out})
}

// proof answers what is kept of a file, and what it is.
func (s attachments) proof(ctx context.Context, file []byte) ([]byte, documents.Kind, error) {
	if !pictures.Recognized(file) {
		kind, err := s.files.inspector.Inspect(ctx, file)
		return file, kind, err
	}
	p, err := s.files.cleaner.Clean(ctx, file)
	if p.MediaType == pictures.PNG {
		return p.Whole, documents.Kind{MediaType: pictures.PNG, Ending: ".png"}, err
	}
	return p.Whole, documents.Kind{MediaType: pictures.JPEG, Ending: ".jpg"}, err
}

// ownProof opens what a proof belongs to, as long as it is not decided, to staff
// and officers of the applicant.
func (s attachments) ownProof(c access.Call, projectID string, of pb.ProofOf, ofID, command string) opening {
	return func(r kv.Reader) (holder, error) {
		project, err := s.keyProject(r, sight(c), projectID, "")
		if err != nil {
			return holder{}, err
		}
		in := holder{project.Value.GetApplicantPath(), project.Value.GetDistrictPath()}
		if !sight(c).Covers(applicantSide(scope.Path(in.applicantPath))) {
			return in, rule.New(rule.Denied, "NOT_THE_APPLICANT", "")
		}
		return in, s.undecided(r, projectID, of, ofID, command)
	}
}

// undecided answers WRONG_STATE for what was confirmed, turned down or decided.
func (s attachments) undecided(r kv.Reader, projectID string, of pb.ProofOf, ofID, command string) error {
	switch of {
	case pb.ProofOf_PROOF_OF_READING:
		row, ok, err := s.delivery.readings.By(r, scope.All(), byID, idKey(projectID).String(ofID))
		if err != nil || !ok {
			return absentOr("reading", ofID, err)
		}
		_, err = indicator.ReadingMachine().Next(indicator.ReadingState(row.Value.GetReading().GetState()), indicator.Confirm)
		return err
	case pb.ProofOf_PROOF_OF_SPENDING:
		row, ok, err := s.delivery.spending.Get(r, scope.All(), idKey(projectID).String(ofID))
		if err != nil || !ok {
			return absentOr("spending entry", ofID, err)
		}
		_, err = spending.Machine().Next(spending.State(row.Value.GetSpending().GetState()), spending.Confirm)
		return err
	case pb.ProofOf_PROOF_OF_ACCEPTANCE:
		row, ok, err := s.delivery.acceptances.Get(r, scope.All(), lookKey(projectID, lookOf(ofID)))
		if err != nil || !ok {
			return absentOr("acceptance", ofID, err)
		}
		return acceptance.CheckScoring(acceptance.State(row.Value.GetAcceptance().GetState()), command)
	}
	return rule.Absent("proof", ofID)
}

func absentOr(entity, id string, err error) error {
	if err != nil {
		return err
	}
	return rule.Absent(entity, id)
}

// lookOf reads the number of a look; 0, which none has, for anything else.
func lookOf(text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0
	}
	return int32(n)
}

// ListProofs answers the proofs of one thing to those who may read it: a look of
// the acceptance is its panel's too.
func (s attachments) ListProofs(ctx context.Context, req *pb.ListProofsRequest) (*pb.ListProofsResponse, error) {
	c, out := access.From(ctx), &pb.ListProofsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		_, err := s.keyProject(r, sight(c), req.GetProjectId(), "")
		if err != nil && req.GetOf() == pb.ProofOf_PROOF_OF_ACCEPTANCE {
			var panel bool
			if _, panel, err = s.delivery.acceptances.Get(r, sight(c), lookKey(req.GetProjectId(), lookOf(req.GetOfId()))); !panel {
				err = absentOr("key project", req.GetProjectId(), err)
			}
		}
		if err != nil {
			return err
		}
		out.Proofs, err = s.list(r, c, req.GetProjectId(), req.GetOf(), req.GetOfId())
		return err
	})
	return out, err
}

// RemoveProof takes a proof away.
func (s attachments) RemoveProof(ctx context.Context, req *pb.RemoveProofRequest) (*pb.RemoveProofResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RemoveProofResponse, error) {
		if _, err := s.keyProject(tx, sight(c), req.GetProjectId(), ""); err != nil {
			return nil, err
		}
		row, err := s.file(tx, req.GetId())
		if err == nil && (row.Value.GetOwnerId() != req.GetProjectId() || row.Value.GetOf() == pb.ProofOf_PROOF_OF_UNSPECIFIED) {
			err = rule.Absent("file", req.GetId())
		}
		if err != nil {
			return nil, err
		}
		if _, err := s.ownProof(c, req.GetProjectId(), row.Value.GetOf(), row.Value.GetOfId(), "remove a proof")(tx); err != nil {
			return nil, err
		}
		return &pb.RemoveProofResponse{}, s.removeFile(tx, row, now)
	})
}
