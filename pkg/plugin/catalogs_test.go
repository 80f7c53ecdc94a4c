package plugin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/wire"
)

// counted makes catalogs whose fetch takes a second and counts.
func counted(fetched *atomic.Int32, answer func() []fleet.HostCatalog) *catalogs {
	return &catalogs{now: time.Now, fetch: func(ctx context.Context) []fleet.HostCatalog {
		fetched.Add(1)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return answer()
	}}
}

func good() []fleet.HostCatalog {
	return []fleet.HostCatalog{{Name: "a", Catalog: &wire.Catalog{Interval: time.Minute}}}
}

func TestCatalogsAreFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		c := counted(&fetched, good)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if got := c.get(t.Context()); len(got) != 1 || got[0].Name != "a" {
					t.Errorf("catalogs %v", got)
				}
			})
		}
		wait.Wait()
		time.Sleep(catalogsAge - time.Millisecond)
		c.get(t.Context())
		if n := fetched.Load(); n != 1 {
			t.Errorf("fetched %d times within their age", n)
		}
		time.Sleep(time.Millisecond)
		began := time.Now()
		if got := c.get(t.Context()); len(got) != 1 || time.Since(began) > 0 {
			t.Errorf("catalogs %v after %s: what is known is given at once", got, time.Since(began))
		}
		synctest.Wait()
		if n := fetched.Load(); n != 2 {
			t.Errorf("fetched %d times after their age, want 2", n)
		}
		c.fresh(t.Context())
		if took := time.Since(began); took != time.Second || fetched.Load() != 2 {
			t.Errorf("fresh ones came after %s, fetched %d times", took, fetched.Load())
		}
	})
}

func TestCatalogsWithAFailureAgeSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		c := counted(&fetched, func() []fleet.HostCatalog {
			return append(good(), fleet.HostCatalog{Name: "b", Err: errors.New("down")})
		})
		c.get(t.Context())
		time.Sleep(partialCatalogsAge)
		c.get(t.Context())
		synctest.Wait()
		if n := fetched.Load(); n != 2 {
			t.Errorf("fetched %d times, want 2", n)
		}
		c.fresh(t.Context()) // waits for the end
	})
}

// TestCatalogsOutliveTheirAsker: a query that gives up does not take the answer from those who wait.
func TestCatalogsOutliveTheirAsker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		c := counted(&fetched, good)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := c.get(ctx); got != nil {
			t.Errorf("catalogs %v before they were fetched", got)
		}
		if got := c.get(t.Context()); len(got) != 1 {
			t.Errorf("catalogs %v", got)
		}
		if n := fetched.Load(); n != 1 {
			t.Errorf("fetched %d times, want once", n)
		}
	})
}

func TestInterval(t *testing.T) {
	known := []fleet.HostCatalog{
		{Name: "a", Catalog: &wire.Catalog{Interval: time.Minute}},
		{Name: "b", Catalog: &wire.Catalog{Interval: 10 * time.Second}},
		{Name: "c", Err: errors.New("down")},
		{Name: "d", Catalog: &wire.Catalog{}},
	}
	c := &catalogs{now: time.Now, fetch: func(context.Context) []fleet.HostCatalog { return known }}
	for names, want := range map[string]time.Duration{
		"ab": time.Minute, "b": 10 * time.Second, "bc": 10 * time.Second, "c": defaultInterval, "d": defaultInterval, "": defaultInterval,
	} {
		var chosen []server
		for _, n := range names {
			chosen = append(chosen, server{Server: Server{Name: string(n)}})
		}
		if got := c.interval(t.Context(), chosen); got != want {
			t.Errorf("interval of %q = %s, want %s", names, got, want)
		}
	}
}
