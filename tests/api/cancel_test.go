//go:build linux

package api

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/store"
)

// timed notes when queries begin and end.
type timed struct {
	serve.Querier
	begun chan struct{}
	ended chan time.Time
}

func (q *timed) Query(ctx context.Context, asked *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	q.begun <- struct{}{}
	result, err := q.Querier.Query(ctx, asked, progress)
	q.ended <- time.Now()
	return result, err
}

// wideStore has rows that no two of belong to the same group.
func wideStore(t *testing.T, path string, intervals, rows int) {
	t.Helper()
	s, err := store.Open(store.Config{Path: path}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range intervals {
		records := make([]flow.Record, rows)
		for i := range records {
			k := &records[i].Key
			k.Family, k.Protocol, k.DestinationPort = flow.IPv4, flow.TCP, uint16(i)
			binary.BigEndian.PutUint32(k.Source[:], uint32(n*rows+i))
			records[i].Counters.BytesSent = uint64(i)
		}
		end := present.Truncate(interval).Add(-time.Duration(n) * interval).Unix()
		if err := s.Append(t.Context(), "eth0", flow.Interval{End: end, Duration: interval, Sequence: uint64(n)}, records); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A caller that goes away ends its query within 100 ms, wherever the engine is.
func TestCancelledQueryEnds(t *testing.T) {
	cfg := agent.DefaultConfig()
	cfg.Host.Name, cfg.Store.Path = "alpha", t.TempDir()
	wideStore(t, cfg.Store.Path, 6, 100_000)
	logger := slog.New(slog.DiscardHandler)
	a, err := agent.New(cfg, agent.Deps{Logger: logger, Now: func() time.Time { return present }})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	q := &timed{Querier: a, begun: make(chan struct{}, 1), ended: make(chan time.Time, 1)}
	api := serve.DefaultConfig()
	api.Listen = []serve.Listen{{TCP: "127.0.0.1:0", Insecure: &serve.Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}}
	s, err := serve.New(api, serve.Deps{Querier: q, Logger: logger, Now: func() time.Time { return present }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		stop()
		<-ended
	}()
	url := "http://" + s.Addrs()[0].String() + "/_query"
	const body = `{"query":"sip,dip,dport,proto","ifaces":"any","condition":"dport > 1 or sip = 10.0.0.0/8"}`
	// run asks, and goes away after a while; it returns how long the query went on. With 0 it stays.
	run := func(after time.Duration) time.Duration {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := make(chan time.Time, 1)
		go func() {
			<-q.begun
			began := time.Now()
			if after > 0 {
				<-time.After(after)
				gone <- time.Now()
				cancel()
			} else {
				gone <- began
			}
		}()
		r, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(r); err == nil {
			response.Body.Close()
		}
		end := <-q.ended
		return end.Sub(<-gone)
	}
	full := run(0)
	best := time.Hour
	for i := 1; i <= 8 && best > 100*time.Millisecond; i++ {
		best = min(best, run(full*time.Duration(i)/10))
	}
	t.Logf("the whole query takes %v; after its caller went it ended within %v", full, best)
	if best > 100*time.Millisecond {
		t.Errorf("the query went on for %v after its caller was gone", best)
	}
}
