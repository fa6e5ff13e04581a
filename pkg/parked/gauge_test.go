package parked_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/linli-project/linli/pkg/parked"
)

func TestGauge_CountsRows(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-sum", "a", "b")
	h.park(t, "sums", "sums-gone", "a")
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(parked.NewGauge(h.parts))
	want := `
# HELP linli_events_parked Events that a consumer could not apply and that wait for somebody to decide.
# TYPE linli_events_parked gauge
linli_events_parked{consumer="other-sum",service="other"} 0
linli_events_parked{consumer="sums-gone",service="sums"} 1
linli_events_parked{consumer="sums-sum",service="sums"} 2
`
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if err := h.stores["other"].Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.Gather(); err == nil {
		t.Error("a store that cannot be read counts as none")
	}
}

func TestNew_NeedsAService(t *testing.T) {
	if _, err := parked.New(nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("over nothing")
	}
}
