package table

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// BenchmarkTableAdd is the cost of a packet whose conversation is known.
func BenchmarkTableAdd(b *testing.B) {
	for _, n := range []int{1000, 20000, 200000, 1000000} {
		b.Run(fmt.Sprintf("flows=%d", n), func(b *testing.B) {
			table, packets := benchTable(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				table.Add(&packets[i&(benchPackets-1)], 100, i&1 == 0, int64(i))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
		})
	}
}

// BenchmarkTableNew is the cost of a packet that begins a conversation, growing included.
func BenchmarkTableNew(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	table := tableOf(b, nil)
	p := packet.Packet{Family: flow.IPv4, Protocol: flow.UDP, HasPorts: true, DestinationPort: 53, SourcePort: 40000}
	for b.Loop() {
		if table.Flows() == 1<<20 {
			table.Close()
			table = New(DefaultConfig())
		}
		binary.BigEndian.PutUint64(p.Source[:], random.Uint64()>>32<<32)
		table.Add(&p, 100, true, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
}

// BenchmarkRotate ends an interval of a million conversations. pause-us is the longest time for which the table could
// not take packets when the pass goes in steps as the meter's do, cpu-pause-us the same by the processor time it took:
// what other programs on a busy machine take is not in it. order-ms is what ordering the rows costs another goroutine.
func BenchmarkRotate(b *testing.B) {
	const n, step = 1000000, 1024
	table, _ := benchTable(b, n)
	var longest, longestBusy, order time.Duration
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	for b.Loop() {
		pass := table.Begin(Drain)
		for done := false; !done; {
			start, busy := time.Now(), threadTime(b)
			done = pass.Step(step)
			longest, longestBusy = max(longest, time.Since(start)), max(longestBusy, threadTime(b)-busy)
		}
		b.StopTimer()
		start := time.Now()
		if rows := pass.Picture().Rows(nil); len(rows) < n/2 {
			b.Fatalf("%d rows", len(rows))
		}
		order += time.Since(start)
		for id := range table.slab.used {
			table.slab.at(id).packets[sent] = 1
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(longest.Microseconds()), "pause-us")
	b.ReportMetric(float64(longestBusy.Microseconds()), "cpu-pause-us")
	b.ReportMetric(float64(order.Milliseconds())/float64(b.N), "order-ms")
}

// threadTime is the processor time of the calling thread.
func threadTime(b *testing.B) time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		b.Fatal(err)
	}
	return time.Duration(at.Nano())
}
