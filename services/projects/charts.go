package projects

import (
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// Charts are the service's state machines.
func Charts() []rule.Chart {
	return []rule.Chart{
		call.Machine().Chart(), application.Machine().Chart(), keyproject.Machine().Chart(), support.Machine().Chart(),
		spending.Machine().Chart(), indicator.ReadingMachine().Chart(), indicator.ChangeMachine().Chart(),
		indicator.LetterMachine().Chart(), acceptance.Machine().Chart(), keyproject.ModelMachine().Chart(),
	}
}
