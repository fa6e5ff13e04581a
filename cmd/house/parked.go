package house

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linli-project/linli/pkg/parked"
	"github.com/linli-project/linli/pkg/store"
)

// newParked answers for the parked events of the stores that this process
// holds, and counts them among its metrics. The services stand in the order of
// their stores.
func newParked(stores []*store.Store, all services, metrics prometheus.Registerer, log *slog.Logger) (*parked.Service, error) {
	parts := make([]parked.Part, len(stores))
	for i, s := range stores {
		parts[i] = parked.Part{Store: s, Consumers: all[i].Reactions()}
	}
	if err := metrics.Register(parked.NewGauge(parts)); err != nil {
		return nil, fmt.Errorf("count parked events: %w", err)
	}
	return parked.New(parts, log)
}
