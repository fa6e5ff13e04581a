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
