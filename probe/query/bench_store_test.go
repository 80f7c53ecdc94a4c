package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
)

// BenchmarkQueryStore asks the questions of the comparison of a store that WEIR_BENCH_STORE names: 10 million rows of
// a week from 2026-01-01 on.
func BenchmarkQueryStore(b *testing.B) {
	path := os.Getenv("WEIR_BENCH_STORE")
	if path == "" {
		b.Skip("WEIR_BENCH_STORE names no store")
	}
	week := func(r wire.Request) wire.Request {
		r.Ifaces, r.Merge = "any", true
		if r.First == "" {
			r.First, r.Last = "1767225600", "1767830400"
		}
		return r
	}
	for _, c := range []struct {
		name string
		wire.Request
	}{
		{"Q1", wire.Request{Query: "sip,dip,dport,proto", NumResults: 25}},
		{"Q2", wire.Request{Query: "dip", Condition: "sip = 10.10.3.77 & dport = 22 & proto = tcp"}},
		{"Q3", wire.Request{Query: "sip,dip", NumResults: 25}},
		{"Q4", wire.Request{Query: "time", Condition: "proto = tcp & dport = 443", NumResults: 5000}},
		{"Q5", wire.Request{Query: "dport,proto", NumResults: 1000}},
		{"Q6", wire.Request{Query: "raw", Condition: "host = 203.0.113.77"}},
		{"Q7", wire.Request{Query: "sip,dip", Condition: manyHosts(), NumResults: 100_000}},
		{"Q8", wire.Request{Query: "time,dport", NumResults: 10, Series: true, TimeResolution: "1h"}},
		{"Dip", wire.Request{Query: "dip", NumResults: 25}},
		{"Sip", wire.Request{Query: "sip", NumResults: 25}},
		{"Window", wire.Request{Query: "sip", NumResults: 25, First: "1767427201", Last: "1767448800"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := prepare(b, week(c.Request))
			b.ReportAllocs()
			for b.Loop() {
				s, err := store.Open(store.Config{Path: path, ReadOnly: true}, store.Deps{})
				if err != nil {
					b.Fatal(err)
				}
				e, err := New(DefaultConfig(), Deps{Stored: Stored(s), Host: "h", Now: time.Now})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := e.Query(context.Background(), q); err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// manyHosts names 10,000 addresses, few of which are in any store.
func manyHosts() string {
	r := rand.New(rand.NewPCG(7, 7))
	list := make([]string, 10_000)
	for i := range list {
		list[i] = fmt.Sprintf("%d.%d.%d.%d", 20+r.IntN(200), r.IntN(256), r.IntN(256), r.IntN(256))
	}
	return "host in (" + strings.Join(list, ",") + ")"
}
