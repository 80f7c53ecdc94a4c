package plugin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// slow is a query that takes a second or until nobody waits, and says how often it ran and was given up.
type slow struct{ runs, given atomic.Int32 }

func (s *slow) run(ctx context.Context, show func(*wire.Result)) (*wire.Result, error) {
	s.runs.Add(1)
	show(&wire.Result{Hostname: "part"})
	select {
	case <-time.After(time.Second):
		return &wire.Result{Hostname: "whole"}, nil
	case <-ctx.Done():
		s.given.Add(1)
		return nil, ctx.Err()
	}
}

func TestEqualQueriesAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var s slow
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if result, err := f.do(t.Context(), "same", nil, s.run); err != nil || result.Hostname != "whole" {
					t.Errorf("%v, %v", result, err)
				}
			})
		}
		wait.Go(func() { _, _ = f.do(t.Context(), "other", nil, s.run) })
		wait.Wait()
		if n := s.runs.Load(); n != 2 {
			t.Errorf("%d runs of two queries", n)
		}
		if _, err := f.do(t.Context(), "same", nil, s.run); err != nil || s.runs.Load() != 3 {
			t.Errorf("asked again later: %v, %d runs", err, s.runs.Load())
		}
		if len(f.open) != 0 {
			t.Errorf("%d flights are left", len(f.open))
		}
	})
}

// TestWhoLeavesTakesNothingAway: the first one, who started the query, goes, and the other gets the answer.
func TestWhoLeavesTakesNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var s slow
		first, leave := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := f.do(first, "q", nil, s.run); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		wait.Go(func() {
			if result, err := f.do(t.Context(), "q", nil, s.run); err != nil || result.Hostname != "whole" {
				t.Errorf("who stayed got %v, %v", result, err)
			}
		})
		synctest.Wait()
		leave()
		wait.Wait()
		if s.runs.Load() != 1 || s.given.Load() != 0 {
			t.Errorf("%d runs, %d given up", s.runs.Load(), s.given.Load())
		}
	})
}

func TestAQueryEndsWithTheLastWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var s slow
		ctx, leave := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() { _, _ = f.do(ctx, "q", nil, s.run) })
		}
		synctest.Wait()
		leave()
		wait.Wait()
		synctest.Wait()
		if s.given.Load() != 1 || len(f.open) != 0 {
			t.Errorf("%d given up, %d are left", s.given.Load(), len(f.open))
		}
	})
}

// TestPanelsOfARefreshShareAQuery: they set out within moments, and the last may arrive first.
func TestPanelsOfARefreshShareAQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var s slow
		var wait sync.WaitGroup
		for sooner := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute-time.Duration(sooner)*time.Millisecond)
			defer cancel()
			wait.Go(func() {
				if result, err := f.do(ctx, "q", nil, s.run); err != nil || result.Hostname != "whole" {
					t.Errorf("%v, %v", result, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		if n := s.runs.Load(); n != 1 {
			t.Errorf("%d runs, want 1", n)
		}
	})
}

// TestASoonerDeadlineRunsAlone: at its deadline a query gives what it has; who has to be done sooner can't wait for it.
func TestASoonerDeadlineRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var s slow
		var wait sync.WaitGroup
		for _, limit := range []time.Duration{time.Minute, 2 * time.Minute, 30 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			wait.Go(func() { _, _ = f.do(ctx, "q", nil, s.run) })
			synctest.Wait()
		}
		wait.Wait()
		if n := s.runs.Load(); n != 2 {
			t.Errorf("%d runs, want 2: the second joins the first, the third can't", n)
		}
	})
}

func TestPartialAnswersReachAllWhoWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var seen [2]atomic.Int32
		start := make(chan struct{})
		run := func(_ context.Context, show func(*wire.Result)) (*wire.Result, error) {
			<-start
			show(&wire.Result{})
			return &wire.Result{}, nil
		}
		var wait sync.WaitGroup
		for i := range seen {
			wait.Go(func() { _, _ = f.do(t.Context(), "q", func(*wire.Result) { seen[i].Add(1) }, run) })
		}
		wait.Go(func() { _, _ = f.do(t.Context(), "q", nil, run) })
		synctest.Wait()
		close(start)
		wait.Wait()
		if seen[0].Load() != 1 || seen[1].Load() != 1 {
			t.Errorf("seen %d and %d", seen[0].Load(), seen[1].Load())
		}
	})
}

func TestAPanicIsAnErrorOfAllWhoWait(t *testing.T) {
	var f flights
	_, err := f.do(t.Context(), "q", nil, func(context.Context, func(*wire.Result)) (*wire.Result, error) { panic("oops") })
	if !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

// waiting counts who waits for any flight.
func (f *flights) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, one := range f.open {
		one.mu.Lock()
		n += one.waiting
		one.mu.Unlock()
	}
	return n
}
