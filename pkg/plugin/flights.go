package plugin

import (
	"context"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// flights makes queries that are equal and asked at the same time one: twenty panels of a dashboard that show the
// same cost one. A flight goes on as long as anybody waits for it; who leaves takes nothing from the others.
type flights struct {
	mu   sync.Mutex
	open map[string]*flight
}

// flight is one query under way.
type flight struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when result and err are set
	result *wire.Result
	err    error

	mu      sync.Mutex
	waiting int
	shows   map[int]func(*wire.Result) // who want to see partial answers, by number
	shown   int
}

type runner func(ctx context.Context, show func(*wire.Result)) (*wire.Result, error)

// do runs the query, or waits for the one under way with the same key. The result may be others', too.
func (f *flights) do(ctx context.Context, key string, show func(*wire.Result), run runner) (*wire.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	one, leave := f.board(ctx, key, show, run)
	defer leave()
	select {
	case <-one.done:
		return one.result, one.err
	case <-ctx.Done():
		// The answer that was cut at the flight's deadline may come at this very moment.
		select {
		case <-one.done:
			return one.result, one.err
		default:
			return nil, ctx.Err()
		}
	}
}

// board finds the flight or starts one. One whose deadline is later than the caller's is of no use: at the deadline a
// query gives what it has, and the caller would be gone by then.
func (f *flights) board(ctx context.Context, key string, show func(*wire.Result), run runner) (*flight, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.open[key]
	if one != nil && endsLater(one.ctx, ctx) {
		one = nil
	}
	if one == nil {
		one = &flight{done: make(chan struct{}), shows: make(map[int]func(*wire.Result))}
		one.ctx, one.cancel = detached(ctx)
		if f.open == nil {
			f.open = make(map[string]*flight)
		}
		f.open[key] = one
		go f.fly(key, one, run)
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.waiting++
	number := one.shown
	one.shown++
	if show != nil {
		one.shows[number] = show
	}
	return one, func() { f.leave(key, one, number) }
}

// leave ends a flight that nobody waits for.
func (f *flights) leave(key string, one *flight, number int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	delete(one.shows, number)
	if one.waiting--; one.waiting == 0 {
		one.cancel()
		f.forget(key, one)
	}
}

// forget makes the next who asks start anew.
func (f *flights) forget(key string, one *flight) {
	if f.open[key] == one {
		delete(f.open, key)
	}
}

func (f *flights) fly(key string, one *flight, run runner) {
	defer close(one.done)
	defer func() {
		if r := recover(); r != nil {
			one.err = broken(one.ctx, "", r)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.forget(key, one)
	}()
	one.result, one.err = run(one.ctx, one.progress())
}

// progress hands partial answers to those who want to see them, one at a time.
func (one *flight) progress() func(*wire.Result) {
	return func(partial *wire.Result) {
		one.mu.Lock()
		shows := make([]func(*wire.Result), 0, len(one.shows))
		for _, show := range one.shows {
			shows = append(shows, show)
		}
		one.mu.Unlock()
		for _, show := range shows {
			show(partial)
		}
	}
}

// boarding is how much sooner than who started it the deadline of a caller may be who joins a flight. Panels that refresh
// together set out within moments of each other, and not in the order in which they arrive here.
const boarding = 100 * time.Millisecond

// detached is a context with the values of another and its deadline, less the time for boarding, but not its end.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	free := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(free, end.Add(-min(boarding, time.Until(end)/10)))
	}
	return context.WithCancel(free)
}

// endsLater says that a's deadline is behind b's.
func endsLater(a, b context.Context) bool {
	end, limited := b.Deadline()
	if !limited {
		return false
	}
	other, ok := a.Deadline()
	return !ok || other.After(end)
}
