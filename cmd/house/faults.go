package house

import (
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
)

// Faults are the ways in for tests that break a house on purpose. No flag and
// no setting of the command leads here; the zero value changes nothing.
type Faults struct {
	// Wall stands in for the machine's clock.
	Wall clock.Clock
	// Engine wraps a service's engine.
	Engine func(service string, e kv.Engine) kv.Engine
	// Reactions wraps what a service does on events.
	Reactions func(service string, all []events.Consumer) []events.Consumer
	// NoSync leaves the services' files to the operating system, NoSyncBroker
	// the broker's: what a power cut then loses is what it must not lose
	// otherwise.
	NoSync, NoSyncBroker bool
}

func (f Faults) wall() clock.Clock {
	if f.Wall == nil {
		return clock.Wall()
	}
	return f.Wall
}

func (f Faults) engine(service string, e kv.Engine) kv.Engine {
	if f.Engine == nil {
		return e
	}
	return f.Engine(service, e)
}

func (f Faults) reactions(service string, all []events.Consumer) []events.Consumer {
	if f.Reactions == nil {
		return all
	}
	return f.Reactions(service, all)
}
