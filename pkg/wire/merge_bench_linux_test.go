package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// answers are those of hosts that each have so many groups, drawn from a common world.
func answers(hosts, rows, world int) []*Result {
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]*Result, hosts)
	for h := range list {
		r := &Result{Hostname: fmt.Sprintf("host%d", h), Rows: make([]Row, rows)}
		for i, n := range random.Perm(world)[:rows] {
			r.Rows[i] = Row{
				Attributes: Attributes{Source: netip.AddrFrom4([4]byte{10, byte(n >> 12), byte(n >> 4), byte(n)}),
					Destination: netip.AddrFrom4([4]byte{192, 168, byte(n), byte(n >> 7)}), DestinationPort: uint16(n), Protocol: flow.TCP},
				Counters: Counters{BytesReceived: random.Uint64N(1e6), BytesSent: random.Uint64N(1e6), PacketsReceived: random.Uint64N(1e3), PacketsSent: random.Uint64N(1e3)},
			}
		}
		r.Summary.Hits = Hits{Displayed: int64(rows), Total: int64(rows)}
		list[h] = r
	}
	return list
}

func benchmarkMerge(b *testing.B, hosts, rows, world int, each func(m *Merger, r *Result)) {
	q, err := (&Request{Query: "sip,dip,dport,proto", Ifaces: "any", Merge: true, NumResults: 25}).Prepare(now)
	if err != nil {
		b.Fatal(err)
	}
	list := answers(hosts, rows, world)
	b.ReportAllocs()
	began := processorTime(b)
	for b.Loop() {
		m := NewMerger(q)
		for _, r := range list {
			each(m, r)
		}
		m.Result()
	}
	b.ReportMetric(float64(b.N)*float64(hosts*rows)/(processorTime(b)-began).Seconds()/1e6, "Mrows/cpu-s")
}

// processorTime is what the process has used so far: a busy machine does not make a merge slower.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func add(m *Merger, r *Result) { m.Add(r) }

// Rows that are decoded already, up to the top 25.
func BenchmarkMergeDecoded(b *testing.B) {
	for _, size := range []struct{ hosts, rows, world int }{{100, 1_000, 10_000}, {100, 10_000, 30_000}, {100, 10_000, 100_000}, {20, 50_000, 1_000_000}} {
		b.Run(fmt.Sprintf("hosts=%d/rows=%d/groups=%d", size.hosts, size.rows, size.world), func(b *testing.B) {
			benchmarkMerge(b, size.hosts, size.rows, size.world, add)
		})
	}
}

// The same from JSON, as answers come.
func BenchmarkMergeJSON(b *testing.B) {
	bodies := make(map[*Result][]byte)
	benchmarkMerge(b, 10, 10_000, 30_000, func(m *Merger, r *Result) {
		if bodies[r] == nil {
			var buffer bytes.Buffer
			if err := r.WriteJSON(&buffer); err != nil {
				b.Fatal(err)
			}
			bodies[r] = buffer.Bytes()
		}
		var decoded Result
		if err := json.Unmarshal(bodies[r], &decoded); err != nil {
			b.Fatal(err)
		}
		m.Add(&decoded)
	})
}

func BenchmarkSeriesMerge(b *testing.B) {
	q, err := (&Request{Query: "time,sip,dip,dport,proto", Ifaces: "any", Merge: true, NumResults: 25, Series: true, Other: true}).Prepare(now)
	if err != nil {
		b.Fatal(err)
	}
	list := answers(10, 10_000, 3_000*10)
	for _, r := range list {
		for i := range r.Rows {
			r.Rows[i].Labels.Timestamp = time.Unix(1790000100+300*int64(i%288), 0).UTC()
		}
	}
	began := processorTime(b)
	for b.Loop() {
		m := NewMerger(q)
		for _, r := range list {
			m.Add(r)
		}
		m.Result()
	}
	b.ReportMetric(float64(b.N)*100_000/(processorTime(b)-began).Seconds()/1e6, "Mrows/cpu-s")
}
