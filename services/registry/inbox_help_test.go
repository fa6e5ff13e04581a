package registry

import (
	"context"
	"errors"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

func all() scope.Scope { return scope.All() }

func allMessages() table.Query { return table.Query{Limit: 10} }

// failWaiting settles every waiting delivery as failed.
func (h *house) failWaiting(ctx context.Context) error {
	var rows []table.Row[*pb.DeliveryRow]
	err := h.store.View(ctx, func(r kv.Reader) error {
		page, err := h.service.deliveries.List(r, scope.All(), table.Query{Limit: 10})
		rows = page.Rows
		return err
	})
	for _, row := range rows {
		err = errors.Join(err, h.service.settle(ctx, row, errUnreachable))
	}
	return err
}

// goRounds waits until what many are told of is told: the job works on the same
// rounds, and whoever comes second finds them done.
func (h *house) goRounds() {
	h.t.Helper()
	h.Drain()
	for {
		n, err := h.service.tellDue(h.t.Context())
		must(h.t, err)
		if n == 0 {
			return
		}
	}
}
