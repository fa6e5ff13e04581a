package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// cityAskedEvery: of so many members one is asked what he was told.
const cityAskedEvery = 50

// byLot stands in the digest for what is drawn by lot.
const byLot = "*"

// ofWorkplace is what a workplace reads.
type ofWorkplace struct {
	read   cityRead
	digest []byte
}

// readLetters has every workplace read its letter: the facts, the CSV and the
// workbook, its receipts and its inbox.
func (c *city) readLetters(ctx context.Context) error {
	if err := c.advance(ctx, letterDay); err != nil { // so that everybody was told of the close
		return err
	}
	letters, err := c.letters(ctx)
	if err != nil {
		return err
	}
	all, total := sha256.New(), cityRead{Letters: int64(len(letters))}
	read := inOrder[workplace, ofWorkplace]{
		do: func(ctx context.Context, w workplace) (ofWorkplace, error) {
			return c.readLetter(ctx, w, letters[w.home])
		},
		each: func(_ workplace, o ofWorkplace) error {
			total.add(o.read)
			_, _ = all.Write(o.digest) // a hash never fails
			return nil
		},
	}
	err = c.eachWorkplace(func(w workplace) error { return read.add(ctx, w) })
	if err == nil {
		err = read.flush(ctx)
	}
	total.Digest = all.Sum(nil)
	c.notes.Letters = total
	return err
}

func (r *cityRead) add(o cityRead) {
	r.Lines, r.WithService, r.Times, r.QuarterHours = r.Lines+o.Lines, r.WithService+o.WithService, r.Times+o.Times, r.QuarterHours+o.QuarterHours
	r.Exact, r.Alike, r.Genuine = r.Exact+o.Exact, r.Alike+o.Alike, r.Genuine+o.Genuine
}

// letters answers the letter of each workplace. Two of one are an error.
func (c *city) letters(ctx context.Context) (map[string]string, error) {
	ids := map[string]string{}
	for token := ""; ; {
		var page evaluationv1.ListLettersResponse
		err := c.client.call(ctx, c.officer(cityID), http.MethodGet,
			"/v1/cycles/"+c.notes.Cycle+"/letters?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return nil, err
		}
		for _, l := range page.GetLetters() {
			if ids[l.GetHomeOrganizationId()] != "" {
				return nil, fmt.Errorf("workplace %s has two letters", l.GetHomeOrganizationId())
			}
			ids[l.GetHomeOrganizationId()] = l.GetId()
		}
		if token = page.GetNextPageToken(); token == "" {
			return ids, nil
		}
	}
}

func (c *city) readLetter(ctx context.Context, w workplace, id string) (ofWorkplace, error) {
	officer := c.officer(w.home)
	var l evaluationv1.Letter
	if err := c.client.call(ctx, officer, http.MethodGet, "/v1/letters/"+id, "", nil, &l); err != nil {
		return ofWorkplace{}, err
	}
	out := ofWorkplace{read: cityRead{
		Lines: int64(len(l.GetLines())), WithService: l.GetMembersWithService(), Times: l.GetTimes(), QuarterHours: l.GetQuarterHours(),
		Exact: one(lists(&l, w.known)),
	}}
	var genuine evaluationv1.Verification
	err := c.client.call(ctx, nobody(), http.MethodPost, "/v1/letters:verify", "", &evaluationv1.VerifyLetterRequest{Code: l.GetCode()}, &genuine)
	if err != nil {
		return out, err
	}
	out.read.Genuine = one(genuine.GetGenuine() && genuine.GetFactsHold() && !genuine.GetSuperseded())
	paper, alike, err := c.papers(ctx, officer, &l)
	if err != nil {
		return out, err
	}
	out.read.Alike = one(alike)
	out.digest, err = c.digestOf(ctx, w, &l, paper)
	return out, err
}

// lists: the letter has each member of the workplace once, and nobody else.
func lists(l *evaluationv1.Letter, members []known) bool {
	var want, got []string
	for _, m := range members {
		want = append(want, m.id)
	}
	for _, line := range l.GetLines() {
		got = append(got, line.GetMemberId())
	}
	slices.Sort(want)
	slices.Sort(got)
	return slices.Equal(want, got) && l.GetMembers() == int64(len(want))
}

// papers downloads a letter as CSV and as workbook, and says whether both say
// the same.
func (c *city) papers(ctx context.Context, officer who, l *evaluationv1.Letter) (rows [][]string, alike bool, err error) {
	text, err := c.client.send(ctx, officer, http.MethodGet, "/v1/letters/"+l.GetId()+"/csv", "", "", nil)
	if err != nil {
		return nil, false, err
	}
	table := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\uFEFF")))
	table.FieldsPerRecord = -1
	if rows, err = table.ReadAll(); err != nil {
		return nil, false, fmt.Errorf("letter %s as CSV: %w", l.GetId(), err)
	}
	content, err := c.client.send(ctx, officer, http.MethodGet, "/v1/letters/"+l.GetId()+"/xlsx", "", "", nil)
	if err != nil {
		return nil, false, err
	}
	book, err := excelize.OpenReader(bytes.NewReader(content))
	if err != nil {
		return nil, false, fmt.Errorf("letter %s as workbook: %w", l.GetId(), err)
	}
	sheet, err := book.GetRows(book.GetSheetName(0))
	if err != nil {
		return nil, false, fmt.Errorf("letter %s as workbook: %w", l.GetId(), err)
	}
	return rows, slices.EqualFunc(rows, sheet, sameCells) && len(rows) == letterHead+len(l.GetLines()), book.Close()
}

// sameCells: a workbook leaves empty cells at the end of a row out.
func sameCells(a, b []string) bool {
	for i := range max(len(a), len(b)) {
		if cell(a, i) != cell(b, i) {
			return false
		}
	}
	return true
}

func cell(row []string, i int) string {
	if i < len(row) {
		return row[i]
	}
	return ""
}

// digestOf stands for what linli says of a workplace and its members: lists,
// receipts, letter and inboxes, by the members' places in the roster instead of
// their ids.
func (c *city) digestOf(ctx context.Context, w workplace, l *evaluationv1.Letter, paper [][]string) ([]byte, error) {
	place := map[string]int{}
	for _, m := range w.known {
		place[m.id] = m.n
	}
	var lines []string
	for _, row := range paper {
		for i := range row {
			if row[i] == l.GetId() || row[i] == l.GetCode() {
				row[i] = byLot
			}
		}
		lines = append(lines, "paper "+strings.Join(row, ","))
	}
	for _, line := range l.GetLines() {
		lines = append(lines, fmt.Sprint("line ", place[line.GetMemberId()], line.GetCommunityId(), line.GetTimes(), line.GetCases(), line.GetQuarterHours(), line.GetOpinion()))
	}
	var receipts []*registryv1.ReportIn
	err := eachPage(ctx, c, c.officer(w.home), "/v1/organizations/"+w.home+"/receipts", func(page *registryv1.ListReceiptsResponse) {
		receipts = append(receipts, page.GetReportIns()...)
	})
	if err != nil {
		return nil, err
	}
	for _, in := range receipts {
		decider, err := c.decider(ctx, in)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprint("receipt ", place[in.GetMemberId()], in.GetCommunityId(), in.GetState(), in.GetCountedOn(),
			dayOf(in.GetSubmittedAt()), dayOf(in.GetDecidedAt()), decider))
	}
	err = eachPage(ctx, c, c.officer(w.home), "/v1/organizations/"+w.home+"/members", func(page *registryv1.ListMembersResponse) {
		for _, m := range page.GetMembers() {
			lines = append(lines, fmt.Sprint("member ", place[m.GetId()], m.GetName(), m.GetSex(), m.GetMaskedIdNumber(), m.GetMaskedPhone(), m.GetStatus(),
				m.GetKind(), m.GetCommunityId(), m.GetBuilding(), m.GetSpecialties(), m.GetInterests()))
		}
	})
	if err != nil {
		return nil, err
	}
	told, err := c.told(ctx, w)
	lines = append(lines, told...)
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(w.home + "\n" + strings.Join(lines, "\n")))
	return sum[:], err
}

// decider says who decided a report-in by what the person is, since ids are
// given anew in each run.
func (c *city) decider(ctx context.Context, in *registryv1.ReportIn) (string, error) {
	if in.GetDecidedBy() == "" {
		return "", nil
	}
	staff, err := c.client.desk.PersonID(ctx, c.officer(in.GetCommunityId()))
	if err == nil && staff == in.GetDecidedBy() {
		return "staff of " + in.GetCommunityId(), nil
	}
	return in.GetDecidedBy(), err
}

// told are the messages of a workplace, and of some of its members, who are
// waited for: what all members are told of goes out in rounds.
func (c *city) told(ctx context.Context, w workplace) (lines []string, err error) {
	office, err := c.inbox(ctx, c.officer(w.home), "/v1/organizations/"+w.home+"/messages")
	lines = append(lines, toldLines("office", office)...)
	for _, m := range w.known {
		if err != nil {
			break
		}
		if m.n%cityAskedEvery != 0 {
			continue
		}
		var mine []*registryv1.Message
		err = eventually(ctx, func() (bool, error) {
			member := as(typev1.Role_ROLE_MEMBER, m.id, c.records.path(w.home))
			mine, err = c.inbox(ctx, member, "/v1/me/messages")
			return count(mine, "cycle.computed", "") > 0, err
		})
		lines = append(lines, toldLines(fmt.Sprint(m.n), mine)...)
	}
	return lines, err
}

// toldLines are the topics of messages with their days. How the receipts were
// put together depends on which of many were accepted in one call.
func toldLines(whom string, all []*registryv1.Message) (lines []string) {
	for _, m := range all {
		if m.GetTopic() != "report_in.receipts" {
			lines = append(lines, "told "+whom+" "+m.GetTopic()+" "+dayOf(m.GetTime()))
		}
	}
	return lines
}

func (c *city) inbox(ctx context.Context, w who, path string) (all []*registryv1.Message, err error) {
	err = eachPage(ctx, c, w, path, func(page *registryv1.ListMyMessagesResponse) { all = append(all, page.GetMessages()...) })
	return all, err
}
