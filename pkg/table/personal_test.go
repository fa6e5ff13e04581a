package table_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/table"
)

const returned = "他家里的情况与登记不符"

func reportIns() *table.Table[*registryv1.ReportInRow] {
	return table.New(table.Spec[*registryv1.ReportInRow]{
		Number: 20, Name: "report_in",
		Key: func(r *registryv1.ReportInRow) key.Key { return key.Key(nil).String(r.GetReportIn().GetId()) },
	})
}

func reportIn(id, reason string) *registryv1.ReportInRow {
	return &registryv1.ReportInRow{ReportIn: &registryv1.ReportIn{Id: id, ReturnReason: reason}}
}

// TestPersonalText_LiesSealed: a text that its proto says is personal is written
// sealed and read open, whatever the service does, and for its own row only.
func TestPersonalText_LiesSealed(t *testing.T) {
	ring, _, err := seal.New(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	rows := reportIns()
	table.Seal(ring, []table.Checker{rows})
	db := kv.New(memkv.New(), kv.Options{})
	err = db.Update(t.Context(), func(tx kv.Tx) error {
		for _, id := range []string{"a", "b"} {
			if _, err := rows.Insert(tx, reportIn(id, returned)); err != nil {
				return err
			}
		}
		row, _, err := rows.Get(tx, scope.All(), key.Key(nil).String("a"))
		if err != nil || row.Value.GetReportIn().GetReturnReason() != returned {
			t.Errorf("%v, %v", row, err)
		}
		next := proto.CloneOf(row.Value)
		next.ReportIn.ReturnReason = returned + "。"
		if row, err = rows.Replace(tx, row, next); row.Value.GetReportIn().GetReturnReason() != returned+"。" {
			t.Error("what was written is answered sealed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	view := func(fn func(kv.Reader) error) {
		t.Helper()
		if err := db.View(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	var stored []kv.Item
	view(func(r kv.Reader) (err error) { stored, err = r.Scan(kv.Range{}); return err })
	for _, it := range stored {
		if bytes.Contains(it.Value, []byte("登记")) {
			t.Errorf("%q lies in plain", it.Value)
		}
	}
	view(func(r kv.Reader) error {
		page, err := rows.List(r, scope.All(), table.Query{Limit: 10})
		if err != nil || len(page.Rows) != 2 || !strings.HasPrefix(page.Rows[1].Value.GetReportIn().GetReturnReason(), returned) {
			t.Errorf("%v, %v", page, err)
		}
		return nil
	})
	report, err := rows.Check(func(fn func(kv.Reader) error) error { return db.View(t.Context(), fn) })
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%v, %v", report, err)
	}
	// The value of one row in the place of the other.
	err = db.Update(t.Context(), func(tx kv.Tx) error { tx.Put(stored[0].Key, stored[1].Value); return nil })
	if err != nil {
		t.Fatal(err)
	}
	view(func(r kv.Reader) error {
		if _, _, err := rows.Get(r, scope.All(), key.Key(nil).String("a")); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("opened in another row: %v", err)
		}
		return nil
	})
}

// TestPersonalText_IsNotWrittenWithoutAKeyring rather than in plain.
func TestPersonalText_IsNotWrittenWithoutAKeyring(t *testing.T) {
	db := kv.New(memkv.New(), kv.Options{})
	err := db.Update(t.Context(), func(tx kv.Tx) error { _, err := reportIns().Insert(tx, reportIn("a", returned)); return err })
	if err == nil || strings.Contains(err.Error(), returned) {
		t.Errorf("%v", err)
	}
	err = db.Update(t.Context(), func(tx kv.Tx) error { _, err := reportIns().Insert(tx, reportIn("a", "")); return err })
	if err != nil {
		t.Errorf("a row without a text: %v", err)
	}
}

// TestReseal_TakesTextsOfAnOlderLinli that lie in plain, and those under an
// older key.
func TestReseal_TakesTextsOfAnOlderLinli(t *testing.T) {
	ctx, master := t.Context(), seal.MasterKey{1}
	keys, err := seal.MakeKeys(ctx, master, seal.AES, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Unlock(ctx, master, keys)
	if err != nil {
		t.Fatal(err)
	}
	rows, db := reportIns(), kv.New(memkv.New(), kv.Options{})
	table.Seal(ring, []table.Checker{rows})
	old, err := proto.Marshal(reportIn("a", returned))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(ctx, func(tx kv.Tx) error {
		tx.Create(rows.Place(key.Key(nil).String("a")), append([]byte{1}, old...))
		_, err := rows.Insert(tx, reportIn("b", returned))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = seal.WithDataKey(ctx, master, keys, seal.SM, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := ring.Use(ctx, master, keys); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 0} {
		err = db.Update(ctx, func(tx kv.Tx) error {
			slice, err := rows.Reseal(tx, ring, nil)
			if slice.Resealed != want {
				t.Errorf("sealed %d anew, want %d", slice.Resealed, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := ring.Use(ctx, master, seal.WithoutBefore(keys, 2)); err != nil {
		t.Fatal(err)
	}
	err = db.View(ctx, func(r kv.Reader) error {
		page, err := rows.List(r, scope.All(), table.Query{Limit: 10})
		for _, row := range page.Rows {
			if row.Value.GetReportIn().GetReturnReason() != returned || row.Revision != 1 {
				t.Errorf("%v", row)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
