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

// benchTable makes a table that knows n conversations, and packets of them: two of three TCP, one of four IPv6,
// both directions, some talking more than others.
func benchTable(tb testing.TB, n int) (*Table, []packet.Packet) {
	tb.Helper()
	table := tableOf(tb, nil)
	random := rand.New(rand.NewPCG(1, 2))
	conversations := make([]packet.Packet, n)
	for i := range conversations {
		p := &conversations[i]
		p.Family, p.Protocol, p.HasPorts = flow.IPv4, flow.UDP, true
		binary.BigEndian.PutUint32(p.Source[:], 0x0a000000|random.Uint32N(1<<16))
		binary.BigEndian.PutUint32(p.Destination[:], random.Uint32())
		p.SourcePort, p.DestinationPort = uint16(32768+random.IntN(28000)), 53
		if i%3 != 0 {
			p.Protocol, p.HasTCP, p.TCPFlags, p.DestinationPort = flow.TCP, true, packet.ACK, 443
		}
		if i%4 == 0 {
			p.Family = flow.IPv6
			binary.BigEndian.PutUint64(p.Source[8:], random.Uint64())
		}
		table.Add(p, 100, true, 1)
	}
	packets := make([]packet.Packet, benchPackets)
	for i := range packets {
		at := int(float64(n) * random.Float64() * random.Float64())
		packets[i] = conversations[at]
		if random.IntN(2) == 0 {
			packets[i] = *reverse(&conversations[at], conversations[at].TCPFlags)
		}
	}
	return table, packets
}

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

// benchPackets is small, so that the packets stay in the cache as the one decoded last does in the meter.
const benchPackets = 1 << 11
