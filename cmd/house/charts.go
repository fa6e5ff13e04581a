package house

import (
	"slices"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation"
	"github.com/linli-project/linli/services/projects"
	"github.com/linli-project/linli/services/registry"
	"github.com/linli-project/linli/services/requests"
)

// Charts are the state machines of all services.
func Charts() []rule.Chart {
	return slices.Concat(registry.Charts(), requests.Charts(), projects.Charts(), evaluation.Charts())
}
