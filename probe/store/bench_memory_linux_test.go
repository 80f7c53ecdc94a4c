package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// builderRoot names the store that a copy of the test binary fills with a day of distinct tuples; see
// BenchmarkDayMemory.
const builderRoot = "WEIR_TEST_STORE_BUILDER"

// dayTuples is how many.
const dayTuples = 10_000_000

// buildDay brings a day in which no tuple comes twice into a store, by a loader or through a log, and prints what it took.
func buildDay(root string) error {
	how, root, _ := strings.Cut(root, ":")
	s, err := Open(Config{Path: root}, Deps{Now: func() time.Time { return time.Unix(noon+2*secondsPerDay, 0) }})
	if err != nil {
		return err
	}
	add := func(iv flow.Interval, records []flow.Record) error {
		return s.Append(context.Background(), "eth0", iv, records)
	}
	finish := func() error {
		report, err := s.Compact(context.Background(), CompactOptions{All: true})
		return errors.Join(append(report.Faults, err)...)
	}
	if how == "load" {
		l, err := s.NewLoader("eth0")
		if err != nil {
			return err
		}
		add = func(iv flow.Interval, records []flow.Record) error {
			_, err := l.Append(context.Background(), iv, records)
			return err
		}
		finish = func() error { return l.Close(context.Background()) }
	}
	const perInterval = dayTuples/288 + 1
	r := rand.New(rand.NewPCG(1, 1))
	records := make([]flow.Record, perInterval)
	var sorter flow.Sorter
	for i := range int64(288) {
		for j := range records {
			n := uint32(i)*perInterval + uint32(j)
			packets := r.Uint64N(1000) + 1
			records[j] = v4(0x0a000000+n%50_021, n*2654435761, uint16(n%997), flow.TCP, flow.Counters{PacketsSent: packets, BytesSent: packets * (60 + r.Uint64N(1400))})
		}
		sorter.Sort(records)
		if err := add(interval(midnight-secondsPerDay+(i+1)*300, uint64(i)), records); err != nil {
			return err
		}
	}
	if err := finish(); err != nil {
		return err
	}
	st, err := s.Stat("eth0")
	if err == nil {
		err = s.Close()
	}
	fmt.Println("segments", st.Segments, "tuples", st.SegmentTuples, "bytes", st.SegmentBytes)
	return err
}

// BenchmarkDayMemory is the greatest resident memory of a process that makes a day of ten million distinct tuples, by
// the way of an import and by that of a probe: log, then compaction.
func BenchmarkDayMemory(b *testing.B) {
	for _, how := range []string{"load", "compact"} {
		b.Run(how, func(b *testing.B) {
			most, cpu := int64(0), time.Duration(0)
			for b.Loop() {
				root := filepath.Join(b.TempDir(), "db")
				child := exec.CommandContext(b.Context(), os.Args[0])
				child.Env = append(os.Environ(), builderRoot+"="+how+":"+root)
				out, err := child.CombinedOutput()
				if err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				b.Logf("%s", out)
				cpu += child.ProcessState.UserTime() + child.ProcessState.SystemTime()
				most = max(most, peakOf(b, string(out)))
				s := mustOpen(b, vfs.OS{}, Config{Path: root, ReadOnly: true})
				if st, err := s.Stat("eth0"); err != nil || st.Segments != 1 || st.SegmentTuples < dayTuples {
					b.Fatal(st, err)
				}
				_ = s.Close()
			}
			b.ReportMetric(float64(most)/1024, "MiB-VmHWM")
			b.ReportMetric(float64(dayTuples)*float64(b.N)/cpu.Seconds(), "rows/cpu-s")
		})
	}
}

// printPeak prints the greatest resident memory of this process so far.
func printPeak() {
	text, _ := os.ReadFile("/proc/self/status")
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "VmHWM:") {
			fmt.Println(lines.Text())
		}
	}
}

// peakOf is what printPeak printed, in kB.
func peakOf(b *testing.B, out string) (kB int64) {
	b.Helper()
	_, after, ok := strings.Cut(out, "VmHWM:")
	if _, err := fmt.Sscan(after, &kB); !ok || err != nil {
		b.Fatalf("no VmHWM in %q", out)
	}
	return kB
}
