package serve

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

func TestGuardEndsTheOldestQueryAndNoMoreThanNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held, collections atomic.Uint64
		g := newGuard(100)
		g.held = held.Load
		g.collect = func() { collections.Add(1); held.Store(50) }
		first, firstDone := g.watch(t.Context())
		second, secondDone := g.watch(t.Context())
		held.Store(100)
		time.Sleep(time.Second)
		if first.Err() != nil {
			t.Error("a query was ended at the limit, not above it")
		}
		held.Store(101)
		time.Sleep(time.Second)
		var limit *wire.LimitError
		if !errors.As(context.Cause(first), &limit) || limit.Limit != 100 || second.Err() != nil {
			t.Errorf("first %v, second %v", context.Cause(first), second.Err())
		}
		firstDone() // only now is its memory free
		time.Sleep(time.Second)
		if second.Err() != nil || collections.Load() != 1 {
			t.Errorf("second %v after %d collections", second.Err(), collections.Load())
		}
		secondDone()
		time.Sleep(time.Second)
		g.mu.Lock()
		if g.looking || len(g.running) != 0 {
			t.Error("the guard goes on without queries")
		}
		g.mu.Unlock()
		_, done := g.watch(t.Context())
		held.Store(50)
		time.Sleep(time.Second)
		done()
		time.Sleep(time.Second)
	})
}

// A query that really takes memory is ended with an answer that says so; the next one is answered.
func TestMemoryLimit(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Memory = 64 << 20
	var greedy atomic.Bool
	greedy.Store(true)
	s, _ := start(t, cfg, Deps{Querier: fake{func(ctx context.Context, _ *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		var kept [][]byte
		for greedy.Load() {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if len(kept) < 256 {
				kept = append(kept, make([]byte, 1<<20))
			} else {
				pause()
			}
		}
		return result(len(kept) + 1), nil
	}}})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question)
	if p := wantProblem(t, response, body, http.StatusServiceUnavailable); !strings.Contains(p.Detail, "67108864 bytes of memory") {
		t.Error(body)
	}
	greedy.Store(false)
	if response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question); response.StatusCode != 200 {
		t.Errorf("the next query: %d %s", response.StatusCode, body)
	}
}
