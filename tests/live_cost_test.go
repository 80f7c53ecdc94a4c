//go:build linux

package tests

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/probe/capture"
)

// paced sends so many packets at a rate, in bursts of a millisecond; as fast as it can where the rate is 0.
func (s *blaster) paced(b testing.TB, packets, rate int) (took, busy time.Duration) {
	if rate == 0 {
		return s.run(b, packets)
	}
	begin := time.Now()
	for sent := 0; sent < packets; {
		due := begin.Add(time.Duration(sent) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		n := min(rate/1000, packets-sent)
		_, spent := s.run(b, n)
		sent, busy = sent+n, busy+spent
	}
	return time.Since(begin), busy
}

// walk reads so many packets from a ring as a probe does, but looks at their headers in the ring alone; it says how much
// processor time the reading thread took.
func (s *blaster) walk(b testing.TB, c cable, packets, rate int) (took time.Duration) {
	b.Helper()
	var source capture.Source
	if err := c.near.Do(func() (err error) {
		source, err = capture.OpenLive(capture.LiveConfig{Interface: cableEnd})
		return err
	}); err != nil {
		b.Fatal(err)
	}
	var reader sync.WaitGroup
	var failed error
	reader.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		begun := ownTime(b)
		frames := make([]capture.Frame, 512)
		for seen, n := 0, 0; seen < packets && failed == nil; seen += n {
			if n, failed = source.Read(frames); n == 0 {
				break // woken: some were dropped
			}
		}
		took = ownTime(b) - begun
	})
	s.paced(b, packets, rate)
	late := time.AfterFunc(settling, source.Wake)
	reader.Wait()
	late.Stop()
	stats, err := source.Stats()
	if err = errors.Join(failed, err, source.Close()); err != nil {
		b.Fatal(err)
	}
	if stats.Dropped > 0 {
		b.Errorf("the bare reader's ring dropped %d packets", stats.Dropped)
	}
	return took
}

// BenchmarkLiveProbe runs a probe on an interface to which another namespace sends as fast as it can. It reports the rate,
// the packets that were dropped, the processor time of the probe's process for a million packets, what of it was in the kernel,
// and the kernel's share besides: what the sender's thread, in whose name the packets travel, and the soft interrupts take, with and without the probe.
// Beside it stands what a bare reader takes, which only walks the frames of a ring as the probe's, and what goProbe takes, if
// WEIR_BENCH_GOPROBE names its program.
func BenchmarkLiveProbe(b *testing.B) {
	testenv.RequireRoot(b)
	requireTools(b, "ip")
	for _, shape := range []struct {
		name        string
		flows, rate int // packets a second, 0 for as many as there can be
		packets     int
	}{
		{"flows=64", 64, 0, 2_000_000},
		{"flows=20000", 20_000, 0, 2_000_000},
		{"flows=200000", 200_000, 0, 2_000_000},
		{"rate=170000/flows=20000", 20_000, 170_000, 500_000},
	} {
		b.Run(shape.name, func(b *testing.B) {
			flows, packets := shape.flows, shape.packets
			c := newCable(b)
			c.plug(b)
			s := newBlaster(b, c.far, cableEnd, flows)
			softirq := softirqTime(b)
			_, without := s.paced(b, packets, shape.rate)
			softirqWithout := softirqTime(b) - softirq
			walked := s.walk(b, c, packets, shape.rate)
			p := newProbe(b, c.near.Command, settings{iface: cableEnd, meter: "interval: 1h"})
			p.run(b)
			s.run(b, flows) // from here on the flows are known
			before := p.settled(b, uint64(flows))
			begun := p.kernelTime(b)
			var took, kernel, probe, soft time.Duration
			rounds := 0
			for b.Loop() {
				rounds++
				busy, softirq := p.busy(b), softirqTime(b)
				t, k := s.paced(b, packets, shape.rate)
				p.settled(b, before.Received+before.Dropped+uint64(rounds*packets))
				took, kernel, probe, soft = took+t, kernel+k, probe+p.busy(b)-busy, soft+softirqTime(b)-softirq
			}
			inKernel := p.kernelTime(b) - begun
			after := p.captured(b)
			million := float64(rounds*packets) / 1e6
			if seen := after.Received + after.Dropped - before.Received - before.Dropped; seen < uint64(rounds*packets) || seen > uint64(rounds*packets)+100 {
				b.Errorf("%d packets were seen, %d sent", seen, rounds*packets)
			}
			b.ReportMetric(million*1000/took.Seconds(), "kpackets/s")
			b.ReportMetric(float64(after.Dropped-before.Dropped)/float64(rounds), "drops")
			b.ReportMetric(probe.Seconds()/million, "probe-CPU-s/Mpacket")
			b.ReportMetric(inKernel.Seconds()/million, "probe-kernel-CPU-s/Mpacket")
			b.ReportMetric(walked.Seconds()*1e6/float64(packets), "bare-reader-CPU-s/Mpacket")
			b.ReportMetric(kernel.Seconds()/million, "sender-CPU-s/Mpacket")
			b.ReportMetric(without.Seconds()*1e6/float64(packets), "sender-alone-CPU-s/Mpacket")
			b.ReportMetric(soft.Seconds()/million, "softirq-CPU-s/Mpacket")
			b.ReportMetric(softirqWithout.Seconds()*1e6/float64(packets), "softirq-alone-CPU-s/Mpacket")
			b.ReportMetric(0, "ns/op")
			p.terminate(b)
			if cpu, dropped := s.peer(b, c, flows, packets, shape.rate); cpu > 0 {
				b.ReportMetric(cpu.Seconds(), "goprobe-CPU-s/Mpacket")
				b.ReportMetric(float64(dropped), "goprobe-drops")
				b.ReportMetric(probe.Seconds()/million/cpu.Seconds(), "of-goprobe")
			}
		})
	}
}
