package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"

	"github.com/xuri/excelize/v2"
	"google.golang.org/protobuf/encoding/protojson"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

const (
	mediaCSV  = "text/csv; charset=utf-8"
	mediaXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	// Every so-manieth home organization sends a workbook, and rehearses first
	// (sample).
	workbookEvery = 20
)

func sendsWorkbook(home string) bool { return chance(0, "workbook "+home)%workbookEvery == 0 }

// rosterFile writes rows as the home organization sends them.
func rosterFile(home string, rows [][]string) (contentType string, body []byte, err error) {
	var out bytes.Buffer
	if !sendsWorkbook(home) {
		err = csv.NewWriter(&out).WriteAll(rows)
		return mediaCSV, out.Bytes(), err
	}
	f := excelize.NewFile()
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			return "", nil, fmt.Errorf("write workbook: %w", err)
		}
	}
	err = f.Write(&out)
	return mediaXLSX, out.Bytes(), err
}

// rehearse answers how many rows an import would take and refuse.
func (r *run) rehearse(ctx context.Context, officer who, path, contentType string, body []byte) (taken, refused int32, err error) {
	text, err := r.client.send(ctx, officer, http.MethodPost, path+"?dryRun=true", "", contentType, body)
	if err != nil {
		return 0, 0, err
	}
	var reply registryv1.ImportRosterResponse
	err = protojson.Unmarshal(text, &reply)
	return takenOf(&reply), reply.GetRefused(), err
}

func takenOf(reply *registryv1.ImportRosterResponse) int32 {
	return reply.GetCreated() + reply.GetUpdated() + reply.GetUnchanged()
}

// expectedWorkbooks counts the homes that send one.
func (r *run) expectedWorkbooks() int64 {
	homes := map[string]bool{}
	for _, m := range r.records.members {
		if sendsWorkbook(m.home) {
			homes[m.home] = true
		}
	}
	return int64(len(homes))
}
