package events

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// singlyFor is for how many windows a relay does without batches when the
// broker refused one for what it is, and not for what was in it: each try costs
// the window twice.
const singlyFor = 64

// publish answers the events that the broker has, and why it has not the
// others. A window goes as one batch, which the broker stores with one
// acknowledgement; what it refuses as a batch goes singly.
func (r *Relay) publish(ctx context.Context, events []*typev1.EventRow) ([]*typev1.EventRow, error) {
	if len(events) == 1 || r.singly > 0 {
		r.singly = max(0, r.singly-1)
		return r.publishSingly(ctx, events)
	}
	err := r.publishBatch(ctx, events)
	switch {
	case err == nil:
		return slices.Clone(events), nil
	case isOfTheWindow(err):
		r.log.Info("window not taken as a batch, its events go singly", "events", len(events), "error", err)
	case isRefusal(err):
		r.singly = singlyFor
		r.log.Warn("the broker refuses the batch, its events go singly", "events", len(events), "windows", singlyFor, "error", err)
	default:
		return nil, err // not reached, or not answered: what it has it will know again
	}
	return r.publishSingly(ctx, events)
}

func (r *Relay) publishBatch(ctx context.Context, events []*typev1.EventRow) error {
	ctx, cancel := context.WithTimeout(ctx, ackPatience)
	defer cancel()
	messages := make([]*nats.Msg, len(events))
	for i, e := range events {
		messages[i] = messageOf(r.store.Service(), e)
	}
	// Only the last message is answered: what is wrong with an earlier one is
	// told there.
	_, err := jetstreamext.PublishMsgBatch(ctx, r.js, messages, jetstreamext.BatchFlowControl{AckTimeout: ackPatience})
	if err != nil {
		return fmt.Errorf("publish a batch of %d: %w", len(events), err)
	}
	return nil
}

// isOfTheWindow: the next window may well go as a batch. The broker has, or is
// just storing, an event of this one, because a relay died between publish and
// move; or it saw a part of it only, because the connection broke; or others
// publish much.
func isOfTheWindow(err error) bool {
	const beingStored jetstream.ErrorCode = 10158
	return hasCode(err, beingStored, jetstreamext.JSErrCodeBatchPublishDuplicateMsgID,
		jetstreamext.JSErrCodeBatchPublishIncomplete, jetstreamext.JSErrCodeAtomicPublishTooManyInflight)
}

// isRefusal: the broker answered, and not with a stored batch. One that knows
// no batches has stored each message and answers so.
func isRefusal(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) || errors.Is(err, jetstreamext.ErrInvalidBatchAck)
}

func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode)
}
