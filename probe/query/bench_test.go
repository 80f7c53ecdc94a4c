package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
)

// BenchmarkQueryTop asks questions of increasing breadth of a store on disk: 100 intervals of 4,000 rows in logs.
func BenchmarkQueryTop(b *testing.B) { benchmarkQueries(b, func(*store.Store) error { return nil }) }

// BenchmarkQuerySegments asks the same of the same rows in segments.
func BenchmarkQuerySegments(b *testing.B) {
	benchmarkQueries(b, func(s *store.Store) error {
		_, err := s.Compact(context.Background(), store.CompactOptions{All: true})
		return err
	})
}

func benchmarkQueries(b *testing.B, settle func(*store.Store) error) {
	s, err := store.Open(store.Config{Path: filepath.Join(b.TempDir(), "db")}, store.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r := rand.New(rand.NewPCG(1, 1))
	rows := 0
	for i := range uint64(100) {
		records := make([]flow.Record, 4000)
		for j := range records {
			records[j] = record(0x0a000000+r.Uint32N(400), r.Uint32N(20_000)*40503, uint16(r.UintN(40)), flow.TCP, r.Uint64N(1e6))
		}
		iv := flow.Interval{End: noon + int64(i)*300, Duration: 5 * time.Minute, Sequence: i}
		if err := s.Append(context.Background(), "eth0", iv, records); err != nil {
			b.Fatal(err)
		}
		rows += len(records)
	}
	if err := settle(s); err != nil {
		b.Fatal(err)
	}
	e := engine(b, Deps{Stored: Stored(s)})
	for name, request := range map[string]wire.Request{
		"sip":                {Query: "sip", NumResults: 25},
		"dport,proto":        {Query: "dport,proto", NumResults: 25},
		"sip,dip,dport":      {Query: "sip,dip,dport,proto", NumResults: 25},
		"condition":          {Query: "dip", NumResults: 25, Condition: "sip = 10.0.0.77 & dport = 22"},
		"time,dport,series":  {Query: "time,dport", NumResults: 10, Series: true, TimeResolution: "1h"},
		"time,condition":     {Query: "time", NumResults: 1 << 30, Condition: "proto = tcp & dport = 22"},
		"one interval of it": {Query: "sip", First: fmt.Sprint(noon), Last: fmt.Sprint(noon)},
	} {
		q := prepare(b, request)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Query(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}
