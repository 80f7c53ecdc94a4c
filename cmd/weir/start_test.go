package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// BenchmarkStart is what every command line costs before it does anything: the processor time, in user and kernel mode,
// of weir version, as the median and the least of 50 runs and more. It has to stay below 6 ms on an idle machine.
func BenchmarkStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "weir")
	build := exec.Command("go", "build", "-o", binary, "./cmd/weir")
	build.Dir = testenv.Root()
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	var took []time.Duration
	for b.Loop() {
		for range 50 {
			command := exec.Command(binary, "version")
			if err := command.Run(); err != nil {
				b.Fatal(err)
			}
			took = append(took, command.ProcessState.UserTime()+command.ProcessState.SystemTime())
		}
	}
	slices.Sort(took)
	milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(milliseconds(took[len(took)/2]), "cpu-ms/run")
	b.ReportMetric(milliseconds(took[0]), "least-cpu-ms/run")
	b.ReportMetric(0, "ns/op")
}
