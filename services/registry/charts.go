package registry

import (
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// Charts are the room's state machines.
func Charts() []rule.Chart { return []rule.Chart{reportin.Machine().Chart()} }
