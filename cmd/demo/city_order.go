package demo

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// cityAtOnce is how many calls are under way at a time: in a city many people
// act at once, and what they write is committed together.
const cityAtOnce = 64

// batchOf is how many things wait for their turn: it bounds what is in memory.
const batchOf = 2 * cityAtOnce

// inOrder does something with many things, some at a time, and hands the results
// on in the order in which the things came.
type inOrder[T, R any] struct {
	do   func(context.Context, T) (R, error)
	each func(T, R) error
	wait []T
}

func (o *inOrder[T, R]) add(ctx context.Context, thing T) error {
	if o.wait = append(o.wait, thing); len(o.wait) < batchOf {
		return nil
	}
	return o.flush(ctx)
}

func (o *inOrder[T, R]) flush(ctx context.Context) error {
	results := make([]R, len(o.wait))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(cityAtOnce)
	for i, thing := range o.wait {
		g.Go(func() (err error) {
			results[i], err = o.do(inner, thing)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, thing := range o.wait {
		if err := o.each(thing, results[i]); err != nil {
			return err
		}
	}
	o.wait = o.wait[:0]
	return nil
}

// everyOne does something with each, some at a time.
func everyOne(ctx context.Context, ids []string, do func(ctx context.Context, id string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cityAtOnce)
	for _, id := range ids {
		g.Go(func() error { return do(ctx, id) })
	}
	return g.Wait()
}
