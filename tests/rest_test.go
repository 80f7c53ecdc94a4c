//go:build linux

package tests

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/testenv"
)

// A probe at rest is to be forgotten.
const (
	restMemory = 40 << 20 // bytes resident, at most
	settling   = 2 * time.Second
	watching   = 5 * time.Second
)

func TestProbeAtRestMemory(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip")
	p := idleProbe(t)
	resident := p.resident(t)
	t.Logf("%.1f MiB resident", float64(resident)/(1<<20))
	if resident >= restMemory {
		t.Errorf("%.1f MiB resident, want less than %d", float64(resident)/(1<<20), restMemory>>20)
	}
	p.terminate(t)
}

// BenchmarkProbeAtRest reports what a probe takes on an interface that nothing passes: memory and a core's share.
func BenchmarkProbeAtRest(b *testing.B) {
	testenv.RequireRoot(b)
	requireTools(b, "ip")
	p := idleProbe(b)
	for b.Loop() {
		began, used := time.Now(), p.busy(b)
		<-time.After(watching)
		b.ReportMetric(100*(p.busy(b)-used).Seconds()/time.Since(began).Seconds(), "%core")
		b.ReportMetric(float64(p.resident(b))/(1<<20), "MiB-RSS")
	}
	b.ReportMetric(0, "ns/op") // means nothing here
}

// idleProbe runs a probe with the defaults on an interface that nothing passes, and waits until it has settled.
func idleProbe(t testing.TB) *probe {
	c := newCable(t)
	c.plug(t)
	p := newProbe(t, c.near.Command, settings{iface: cableEnd, meter: "interval: 5m"})
	p.run(t)
	<-time.After(settling)
	return p
}

// resident is the process's resident memory, in bytes.
func (p *probe) resident(t testing.TB) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[1] != "kB" {
		t.Fatalf("no VmRSS in %s", text)
	}
	size, err := strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return size << 10
}

// busy is the processor time that the process has used, of all its threads.
func (p *probe) busy(t testing.TB) time.Duration {
	t.Helper()
	// The number of a process's clock is made of its id, see MAKE_PROCESS_CPUCLOCK in the kernel's posix-timers_types.h.
	const cpuClockSched = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^p.process.command.Process.Pid<<3|cpuClockSched), &used); err != nil {
		t.Fatalf("read the probe's clock: %v", err)
	}
	return time.Duration(used.Nano())
}

// kernelTime is the processor time that the probe's process has spent in the kernel, soft interrupts in its time included.
func (p *probe) kernelTime(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.process.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, behind, _ := strings.Cut(string(text), ") ") // the name, which may hold blanks
	fields := strings.Fields(behind)
	ticks, err := strconv.ParseInt(fields[12], 10, 64) // stime, the 15th of all
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
