package projects

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/pkg/xlsx"
	"github.com/linli-project/linli/services/projects/internal/application"
)

// RenderApplicationLetter makes the paper of a letter from its facts.
func (s letters) RenderApplicationLetter(ctx context.Context, req *pb.RenderApplicationLetterRequest) (*pb.RenderApplicationLetterResponse, error) {
	letter, err := s.letter(ctx, req.GetApplicationId(), req.GetIssue())
	if err != nil {
		return nil, err
	}
	content, err := xlsx.Render(letterPaper(letter, access.From(ctx).Language))
	return &pb.RenderApplicationLetterResponse{
		FileName: fmt.Sprintf("%s-%d.xlsx", letter.GetNumber(), letter.GetIssue()), ContentType: xlsx.ContentType, Content: content,
	}, err
}

// letterPaper answers the rows of a letter.
func letterPaper(l *pb.ApplicationLetter, language string) [][]string {
	word := func(w string) string { return texts.Word(language, "letter", w) }
	rows := [][]string{
		{word("title"), l.GetCallTitle(), strconv.Itoa(int(l.GetYear()))},
		{word("applicant"), l.GetApplicantId()},
	}
	if len(l.GetCoApplicantIds()) > 0 {
		rows = append(rows, []string{word("co-applicants"), strings.Join(l.GetCoApplicantIds(), " ")})
	}
	rows = append(rows,
		[]string{word("project"), l.GetNumber(), l.GetTitle()},
		[]string{word("outcome"), texts.Word(language, "state", application.State(l.GetOutcome()).String()), clock.Day(l.GetDecidedAt().AsTime())},
	)
	if l.GetReason() != "" {
		rows = append(rows, []string{word("reason"), l.GetReason()})
	}
	if l.GetRank() == 0 {
		return rows
	}
	rows = append(rows,
		[]string{word("rank"), strconv.Itoa(int(l.GetRank()))},
		[]string{word("score"), decimals(l.GetScoreHundredths())},
		[]string{word("criterion"), word("most"), word("mean")},
	)
	for _, k := range l.GetCriteria() {
		mean := word("not applicable")
		if k.MeanHundredths != nil {
			mean = decimals(int64(k.GetMeanHundredths()))
		}
		rows = append(rows, []string{k.GetName(), strconv.Itoa(int(k.GetMax())), mean})
	}
	return rows
}

// decimals writes hundredths: 7375 → "73.75".
func decimals(hundredths int64) string {
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}
