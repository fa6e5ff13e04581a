package house

import (
	"fmt"

	"github.com/linli-project/linli/pkg/parked"
)

// parkedEvents answers for the parked events of the stores that this process
// holds, and counts them among its metrics. The services stand in the order of
// their stores.
func (h *House) parkedEvents() (*parked.Service, error) {
	parts := make([]parked.Part, len(h.stores))
	for i, s := range h.stores {
		parts[i] = parked.Part{Store: s, Consumers: withWitness(s.Service(), h.services[i].Reactions())}
	}
	if err := h.metrics.Register(parked.NewGauge(parts)); err != nil {
		return nil, fmt.Errorf("count parked events: %w", err)
	}
	return parked.New(parts, h.config.Log)
}
