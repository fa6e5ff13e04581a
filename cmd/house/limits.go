package house

import (
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

// gates stand before the calls that reach the door over the network.
func (h *House) gates() admit.Gates {
	gates := admit.NewGates(h.limits(), clock.Wall())
	h.metrics.MustRegister(gates.Collector("door"))
	return gates
}
