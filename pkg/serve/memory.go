package serve

import (
	"context"
	"errors"
	"runtime"
	runtimemetrics "runtime/metrics"
	"slices"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// memoryCheck is how often memory is looked at while queries run.
const memoryCheck = 50 * time.Millisecond

// guard ends queries while the process holds more memory than it may: the one that has run longest, which is the most
// likely to be the cause, then the next if that did not help. It looks while queries run, and costs nothing else.
type guard struct {
	limit   uint64
	held    func() uint64 // bytes in use, as of the last collection
	collect func()

	mu      sync.Mutex
	running []*guarded // oldest first
	looking bool
}

// guarded is a query that runs.
type guarded struct {
	cancel  context.CancelCauseFunc
	refused bool
}

func newGuard(limit int64) *guard {
	return &guard{limit: uint64(limit), held: liveHeap, collect: runtime.GC}
}

// liveHeap is what the last collection found in use.
func liveHeap() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}

// watch returns a context for a query that ends, with a *wire.LimitError as its cause, when memory has run out; done
// has to be called at the end of the query.
func (g *guard) watch(ctx context.Context) (_ context.Context, done func()) {
	if g.limit == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	q := &guarded{cancel: cancel}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = append(g.running, q)
	if !g.looking {
		g.looking = true
		go g.look()
	}
	return ctx, func() {
		cancel(nil)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.running = slices.DeleteFunc(g.running, func(other *guarded) bool { return other == q })
	}
}

// look runs as long as a query does.
func (g *guard) look() {
	ticker := time.NewTicker(memoryCheck)
	defer ticker.Stop()
	ending := false // a query was told to end, what it held is not free yet
	for range ticker.C {
		g.mu.Lock()
		if len(g.running) == 0 {
			g.looking = false
			g.mu.Unlock()
			return
		}
		oldest := g.running[0]
		g.mu.Unlock()
		switch {
		case oldest.refused: // still on its way out
		case ending:
			g.collect()
			ending = false
		case g.held() > g.limit:
			oldest.refused, ending = true, true
			oldest.cancel(&wire.LimitError{What: "bytes of memory in use", Limit: int64(g.limit),
				Remedy: "ask for a shorter span or fewer attributes, or try again when fewer queries run"})
		}
	}
}

// overLimit is the cause of a query's end where it is a limit's, err otherwise.
func overLimit(ctx context.Context, err error) error {
	var limit *wire.LimitError
	if cause := context.Cause(ctx); errors.As(cause, &limit) {
		return cause
	}
	return err
}
