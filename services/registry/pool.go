package registry

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// pool commits a few slices at once and gives their results back in the order
// in which they came in, whichever was done first. It is used by one goroutine
// and holds no more slices than it has workers.
type pool struct {
	ctx    context.Context
	cancel context.CancelFunc
	size   int
	queue  []chan outcome
	fold   func(*pb.ImportSliceRow)
	err    error
}

type outcome struct {
	slice *pb.ImportSliceRow
	err   error
}

func newPool(ctx context.Context, size int, fold func(*pb.ImportSliceRow)) *pool {
	p := &pool{size: size, fold: fold}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// do runs work beside the others, waiting for the oldest if there are enough.
// It answers the first error of any work before.
func (p *pool) do(work func(context.Context) (*pb.ImportSliceRow, error)) error {
	if len(p.queue) == p.size {
		p.takeOldest()
	}
	if p.err != nil {
		return p.err
	}
	answer := make(chan outcome, 1)
	p.queue = append(p.queue, answer)
	go func() {
		slice, err := work(p.ctx)
		answer <- outcome{slice, err}
	}()
	return nil
}

// takeOldest folds the oldest result in. After an error nothing is folded: the
// import answers no counts then.
func (p *pool) takeOldest() {
	done := <-p.queue[0]
	p.queue = p.queue[1:]
	switch {
	case done.err != nil && p.err == nil:
		p.err = done.err
		p.cancel()
	case p.err == nil:
		p.fold(done.slice)
	}
}

// wait waits for all work, also after an error, and answers the first one.
func (p *pool) wait() error {
	defer p.cancel()
	for len(p.queue) > 0 {
		p.takeOldest()
	}
	return p.err
}
