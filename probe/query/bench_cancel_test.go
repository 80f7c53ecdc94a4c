package query

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
)

// BenchmarkCancel cancels a broad question at random moments and reports how long the engine goes on after that.
func BenchmarkCancel(b *testing.B) {
	s, err := store.Open(store.Config{Path: filepath.Join(b.TempDir(), "db")}, store.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range uint64(10) {
		records := make([]flow.Record, 50_000)
		for j := range records {
			records[j] = record(0x0a000000+random.Uint32N(1<<20), random.Uint32N(20_000)*40503, uint16(random.UintN(4000)), flow.TCP, random.Uint64N(1e6))
		}
		iv := flow.Interval{End: noon + int64(i)*300, Duration: 5 * time.Minute, Sequence: i}
		if err := s.Append(context.Background(), "eth0", iv, records); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := s.Compact(context.Background(), store.CompactOptions{All: true}); err != nil {
		b.Fatal(err)
	}
	e := engine(b, Deps{Stored: Stored(s)})
	request := wire.Request{Query: "sip,dip,dport,proto", NumResults: 1000, Condition: "dport > 1 or sip = 10.0.0.0/8"}
	began := time.Now()
	if _, err := e.Query(context.Background(), prepare(b, request)); err != nil {
		b.Fatal(err)
	}
	whole := time.Since(began)
	var after []time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		cancelled := make(chan time.Time, 1)
		time.AfterFunc(time.Duration(random.Int64N(int64(whole))), func() { cancelled <- time.Now(); cancel() })
		_, err := e.Query(ctx, prepare(b, request))
		ended := time.Now()
		if at := <-cancelled; errors.Is(err, context.Canceled) {
			after = append(after, ended.Sub(at))
		} else if err != nil {
			b.Fatal(err)
		}
	}
	if len(after) == 0 {
		return // a single run may end before it is cancelled
	}
	slices.Sort(after)
	b.ReportMetric(float64(whole.Microseconds())/1000, "ms-whole")
	b.ReportMetric(float64(after[len(after)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(after[len(after)-1].Microseconds())/1000, "ms-longest")
}
