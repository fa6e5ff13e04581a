package house

import (
	"context"
	"time"
)

// heardPatience bounds the question to the broker: a start does not wait for it.
const heardPatience = 2 * time.Second

// warnOfStoresAnew says in the log that a store was made anew while the broker
// has delivered to its service before: the service lost its file, and begins
// empty in the middle of what the others know.
func (h *House) warnOfStoresAnew(ctx context.Context) {
	if !h.broker.Connected() {
		return // a broker that comes later is asked by nobody: it is a warning
	}
	ctx, cancel := context.WithTimeout(ctx, heardPatience)
	defer cancel()
	for i, s := range h.stores {
		if !h.anew[s.Service()] {
			continue
		}
		names, err := h.broker.Heard(ctx, h.services[i].Reactions()...)
		if err != nil {
			h.config.Log.Warn("not known whether a new store had one before it", "service", s.Service(), "error", err)
			continue
		}
		if len(names) > 0 {
			h.config.Log.Warn("the store is new, but the broker has delivered to this service before: was its file lost? see docs/operations.md",
				"service", s.Service(), "folder", h.folder.path, "consumers", names)
		}
	}
}
