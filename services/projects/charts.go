package projects

import (
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// Charts are the service's state machines.
func Charts() []rule.Chart {
	return []rule.Chart{call.Machine().Chart(), application.Machine().Chart()}
}
