package query

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallel runs tasks 0 to n-1 on so many workers, each of which takes the next one when it is done. The first
// error stops them all.
func parallel(ctx context.Context, workers, n int, run func(ctx context.Context, worker, task int) error) error {
	if workers = min(workers, n); workers <= 1 {
		for task := range n {
			if err := run(ctx, 0, task); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for ctx.Err() == nil {
				task := int(next.Add(1)) - 1
				if task >= n {
					return
				}
				if err := run(ctx, worker, task); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
