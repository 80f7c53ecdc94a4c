package fleet

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// sorted is a host with its groups in their order, that answers at once.
type sorted struct {
	rows   []wire.Row
	index  map[wire.Group]int
	total  wire.Counters
	given  *atomic.Int64
	cannot bool // be asked in rounds
}

func (l *sorted) Catalog(context.Context) (*wire.Catalog, error) { return &wire.Catalog{}, nil }

func (l *sorted) Abilities(context.Context) (wire.Abilities, error) {
	if l.cannot {
		return wire.Abilities{}, nil
	}
	return Abilities(), nil
}

func (l *sorted) Query(_ context.Context, r *wire.Request) (*wire.Result, error) {
	result := &wire.Result{Hostname: "h", Query: wire.Echo{Attributes: []string{"sip"}}, Status: wire.Status{Code: wire.CodeOK}}
	switch {
	case r.Groups != nil:
		for _, g := range r.Groups {
			if i, ok := l.index[g]; ok {
				result.Rows = append(result.Rows, l.rows[i])
			}
		}
	default:
		n := 0
		for n < len(l.rows) && int64(n) < r.NumResults && (r.Threshold == nil || l.rows[n].Counters.BytesReceived >= *r.Threshold) {
			n++
		}
		result.Rows = append(result.Rows, l.rows[:n]...)
	}
	l.given.Add(int64(len(result.Rows)))
	result.Summary = wire.Summary{Totals: l.total, DataAvailable: true, TimeLast: now, Hits: wire.Hits{Displayed: int64(len(result.Rows)), Total: int64(len(l.rows))}}
	return result, nil
}

// zipf makes a host whose n-th group has a share of 1/n; shift says how much its order differs from that of others.
func zipf(random *rand.Rand, groups, shift int, given *atomic.Int64, cannot bool) *sorted {
	l := &sorted{index: make(map[wire.Group]int, groups), given: given, cannot: cannot}
	at := random.Perm(groups)
	for i := range groups {
		n := i
		if shift > 0 {
			n = (i/shift)*shift + at[i]%shift
		}
		row := wire.Row{Counters: wire.Counters{BytesReceived: uint64(1e9/math.Pow(float64(i+1), 1.1)) + random.Uint64N(100)}}
		row.Attributes.Source = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		if _, known := l.index[wire.GroupOf(&row)]; known {
			row.Attributes.Source = netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		}
		l.rows = append(l.rows, row)
		l.index[wire.GroupOf(&row)] = i
		l.total.BytesReceived += row.Counters.BytesReceived
	}
	return l
}

// BenchmarkTop asks fleets for the largest 25 of 5,000 groups of each host, in rounds and all at once: how long it takes
// here, and how many rows hosts give.
func BenchmarkTop(b *testing.B) {
	for _, hosts := range []int{10, 100, 1000} {
		for _, manner := range []string{"rounds", "all"} {
			b.Run(fmt.Sprintf("hosts=%d/%s", hosts, manner), func(b *testing.B) {
				random := rand.New(rand.NewPCG(1, 2))
				var given atomic.Int64
				var list []Host
				for i := range hosts {
					list = append(list, Host{Name: fmt.Sprintf("host%04d", i), Client: zipf(random, 5000, 300, &given, manner == "all")})
				}
				f, err := New(list, DefaultConfig(), Deps{Now: func() time.Time { return now }})
				if err != nil {
					b.Fatal(err)
				}
				q, err := (&wire.Request{Query: "sip", Ifaces: "any", Merge: true, NumResults: 25}).Prepare(now)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					result, err := f.Query(b.Context(), q, nil)
					if err != nil || len(result.Rows) != 25 || result.Summary.Bounded != nil {
						b.Fatal(err, result)
					}
				}
				b.ReportMetric(float64(given.Load())/float64(b.N), "rows")
			})
		}
	}
}
