//go:build linux

package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// coreless is how long the threads that the probe has now wanted to run and had no core to run on.
func (p *probe) coreless(t testing.TB) (wait time.Duration) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.process.command.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("the probe has no threads: %v", err)
	}
	for _, path := range threads {
		var ran, waited, slices int64
		if text, err := os.ReadFile(path); err == nil { // else it has just ended
			if _, err := fmt.Sscan(string(text), &ran, &waited, &slices); err != nil {
				t.Fatalf("%s: %q: %v", path, text, err)
			}
		}
		wait += time.Duration(waited)
	}
	return wait
}

// BenchmarkLiveRotation ends intervals of a million flows while packets go on arriving, at full rate and at one that leaves
// a part of the cores free. It reports the packets dropped meanwhile, those dropped before, when every packet was of a new
// flow, and for each second how long threads of the probe had no core to run on, with sender and what stores beside the reader.
func BenchmarkLiveRotation(b *testing.B) {
	testenv.RequireRoot(b)
	requireTools(b, "ip")
	const flows = 1_000_000
	for _, rate := range []int{0, 400_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			c := newCable(b)
			c.plug(b)
			s := newBlaster(b, c.far, cableEnd, flows)
			p := newProbe(b, c.near.Command, settings{iface: cableEnd, meter: "interval: 5s"})
			p.run(b)
			s.paced(b, flows, rate)
			sent, took := uint64(flows), time.Duration(0)
			before := p.settled(b, sent)
			coreless, begin := p.coreless(b), time.Now()
			for b.Loop() {
				for end := time.Now().Add(11 * time.Second); time.Now().Before(end); { // over two ends at least
					t, _ := s.paced(b, flows/4, rate)
					sent, took = sent+flows/4, took+t
				}
			}
			after := p.settled(b, sent)
			b.ReportMetric(float64(sent-flows)/1000/took.Seconds(), "kpackets/s")
			b.ReportMetric(float64(before.Dropped), "drops-of-new-flows")
			b.ReportMetric(float64(after.Dropped-before.Dropped), "drops")
			b.ReportMetric(float64(after.Flows), "flows")
			b.ReportMetric((p.coreless(b)-coreless).Seconds()*1000/time.Since(begin).Seconds(), "coreless-ms/s")
			b.ReportMetric(0, "ns/op")
			p.terminate(b)
			if got := p.stored(b, "-i", cableEnd, "-c", "proto = udp", "proto").rowSum(); got.PacketsReceived+after.Dropped < sent {
				b.Errorf("%d packets are stored, %d dropped, %d sent", got.PacketsReceived, after.Dropped, sent)
			}
		})
	}
}
