package testenv

import (
	"syscall"
	"testing"
	"time"
)

// CPUTime is the processor time that this process has taken so far, the collector's included.
func CPUTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // only an unknown "who" or a bad address fails
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// ReportCPU adds the processor time of an operation to a benchmark's figures, which leaves out what other programs take
// of the machine. Call it before the loop, and what it returns behind it.
func ReportCPU(b *testing.B) (done func()) {
	b.Helper()
	start := CPUTime()
	return func() { b.ReportMetric(float64(CPUTime()-start)/float64(b.N), "cpu-ns/op") }
}
