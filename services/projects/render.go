package projects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/projects/internal/application"
)

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// RenderApplicationLetter makes the paper of a letter from its facts.
func (s letters) RenderApplicationLetter(ctx context.Context, req *pb.RenderApplicationLetterRequest) (*pb.RenderApplicationLetterResponse, error) {
	letter, err := s.letter(ctx, req.GetApplicationId(), req.GetIssue())
	if err != nil {
		return nil, err
	}
	content, err := renderXLSX(letterPaper(letter, access.From(ctx).Language))
	return &pb.RenderApplicationLetterResponse{
		FileName: fmt.Sprintf("%s-%d.xlsx", letter.GetNumber(), letter.GetIssue()), ContentType: xlsxType, Content: content,
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

// renderXLSX writes every cell as a text, so that none is taken for a formula.
func renderXLSX(rows [][]string) (content []byte, err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	for i, row := range rows {
		for k, cell := range row {
			at, err := excelize.CoordinatesToCellName(k+1, i+1)
			if err == nil {
				err = f.SetCellStr(f.GetSheetName(0), at, cell)
			}
			if err != nil {
				return nil, fmt.Errorf("write letter: %w", err)
			}
		}
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		return nil, fmt.Errorf("write letter: %w", err)
	}
	return out.Bytes(), nil
}
