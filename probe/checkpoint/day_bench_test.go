package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// The meter's defaults: how often a checkpoint is due, and what checkpoints may write in a second on average. Where one
// takes more, the next one waits until the average is met again.
const (
	dayPeriod   = 10 * time.Second
	dayRate     = 128 << 10
	dayInterval = 300 * time.Second
	daySeconds  = 24 * 3600
)

// BenchmarkCheckpointDay is what checkpoints write in a day: MB/day, beside what they may, and the greatest time between two
// of them, which is what a kill costs. Of the live flows all, or one in ten, count something in every ten seconds.
func BenchmarkCheckpointDay(b *testing.B) {
	for _, live := range []int{20_000, 200_000} {
		for _, share := range []int{1, 10} {
			b.Run(fmt.Sprintf("live=%d/active=1in%d", live, share), func(b *testing.B) {
				var day dayOfCheckpoints
				for b.Loop() {
					day = someCheckpoints(b, live, share)
				}
				perDay := float64(day.bytes) * daySeconds / day.paid.Seconds()
				b.ReportMetric(perDay/1e6, "MB/day")
				b.ReportMetric(float64(dayRate)*daySeconds/1e6, "MB/day-allowed")
				b.ReportMetric(day.longest.Seconds(), "s-at-risk")
				b.ReportMetric(0, "ns/op")
				if allowed := float64(dayRate) * day.paid.Seconds(); float64(day.bytes) > allowed+1 {
					b.Errorf("%d bytes in %v: more than %d a second", day.bytes, day.paid, dayRate)
				}
			})
		}
	}
}

type dayOfCheckpoints struct {
	bytes           int64
	passed, longest time.Duration
	paid            time.Duration // passed, from the first checkpoint on to when the next one is due: what the bytes are spread over
}

// checkpointIntervals is how many intervals stand for a day.
const checkpointIntervals = 4

// someCheckpoints writes the checkpoints of some intervals, as the meter does.
func someCheckpoints(b *testing.B, live, share int) (day dayOfCheckpoints) {
	r := rand.New(rand.NewPCG(1, uint64(live)))
	flows := make([]flow.Record, live)
	for i := range flows {
		k := &flows[i].Key
		k.Family, k.Protocol, k.DestinationPort = flow.IPv4, flow.TCP, 443
		binary.BigEndian.PutUint32(k.Source[:], 0x0a000000+r.Uint32N(4096))
		binary.BigEndian.PutUint32(k.Destination[:], r.Uint32())
	}
	files := vfs.NewMemory()
	period := dayPeriod
	for sequence := range uint64(checkpointIntervals) {
		log, err := Create(files, "/checkpoint", Head{Interface: "eth0", Sequence: sequence, End: int64(sequence+1) * 300})
		if err != nil {
			b.Fatal(err)
		}
		for i := range flows {
			flows[i].Counters = flow.Counters{}
		}
		for end := time.Duration(sequence+1) * dayInterval; day.passed+period <= end; {
			day.passed += period
			day.longest = max(day.longest, period)
			for i := range flows {
				if r.IntN(share) != 0 {
					continue
				}
				c := &flows[i].Counters
				packets := 1 + r.Uint64N(20)
				c.PacketsReceived, c.BytesReceived = c.PacketsReceived+packets, c.BytesReceived+packets*(60+r.Uint64N(1400))
				c.PacketsSent, c.BytesSent = c.PacketsSent+packets/2, c.BytesSent+packets*60
				if err := log.Add(&Conversation{ID: uint32(i), Record: flows[i]}); err != nil {
					b.Fatal(err)
				}
			}
			n, err := log.Commit(State{Duration: day.passed})
			if err != nil {
				b.Fatal(err)
			}
			day.bytes += int64(n)
			period = max(dayPeriod, time.Duration(math.Ceil(float64(n)/dayRate*float64(time.Second))))
			day.paid += period
		}
		if err := log.Remove(); err != nil {
			b.Fatal(err)
		}
	}
	return day
}
