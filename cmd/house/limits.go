package house

import (
	"context"
	"runtime"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
)

// limits of this house: those of the configuration, or the machine's.
func (h *House) limits() admit.Limits {
	if h.config.Limits != (admit.Limits{}) {
		return h.config.Limits
	}
	return admit.Defaults(runtime.GOMAXPROCS(0))
}

// buildGates makes what stands before the calls that reach the door over the
// network, and the knock by which the process knows how long calls wait.
func (h *House) buildGates(context.Context) error {
	var err error
	if h.knock, err = admit.NewKnock(h.limits(), clock.Wall()); err != nil {
		return err
	}
	h.onClose("the knock", func(context.Context) error { return h.knock.Close() })
	h.gates = admit.NewGates(h.limits(), clock.Wall()).Behind(h.knock)
	h.metrics.MustRegister(h.gates.Collector("door"), h.knock.Collector())
	return nil
}
