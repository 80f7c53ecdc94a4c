package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// officeDay is a day of 288 intervals; one interval in two is like the one before, with other counters.
func officeDay(perInterval int) []visited {
	r := rand.New(rand.NewPCG(1, 1))
	day := make([]visited, 288)
	for i := range day {
		day[i] = visited{interval(midnight-secondsPerDay+int64(i+1)*300, uint64(i)), officeRecords(r, perInterval)}
	}
	return day
}

// BenchmarkCompactDay makes the segment of a day out of its log: rows by CPU second, and bytes a row before and after.
func BenchmarkCompactDay(b *testing.B) {
	day := officeDay(benchRows)
	rows, cpu, bytes := 0, time.Duration(0), int64(0)
	for b.Loop() {
		b.StopTimer()
		root := filepath.Join(b.TempDir(), fmt.Sprint("db", rows))
		s := openAt(b, vfs.OS{}, Config{Path: root}, midnight+3600)
		for _, v := range day {
			mustAppend(b, s, "eth0", v.Interval, v.Records)
			rows += len(v.Records)
		}
		start := cpuTime(b)
		b.StartTimer()
		mustCompact(b, s, CompactOptions{All: true})
		cpu += cpuTime(b) - start
		st, err := s.Stat("eth0")
		if err != nil || st.Segments != 1 {
			b.Fatal(st, err)
		}
		bytes += st.SegmentBytes
		_ = s.Close()
	}
	b.ReportMetric(float64(rows)/cpu.Seconds(), "rows/cpu-s")
	b.ReportMetric(float64(bytes)/float64(rows), "bytes/row")
}

// BenchmarkLoad is what weir db import does with a day: rows by CPU second, fsync and merge of the pieces included.
func BenchmarkLoad(b *testing.B) {
	day := officeDay(benchRows)
	rows, cpu := 0, time.Duration(0)
	for b.Loop() {
		s := mustOpen(b, vfs.OS{}, Config{Path: filepath.Join(b.TempDir(), fmt.Sprint("db", rows))})
		start := cpuTime(b)
		l, err := s.NewLoader("eth0")
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range day {
			if _, err := l.Append(b.Context(), v.Interval, v.Records); err != nil {
				b.Fatal(err)
			}
			rows += len(v.Records)
		}
		if err := l.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		cpu += cpuTime(b) - start
		_ = s.Close()
	}
	b.ReportMetric(float64(rows)/cpu.Seconds(), "rows/cpu-s")
}

// BenchmarkOpenYear opens a view of 400 days, with nothing in memory and with everything.
func BenchmarkOpenYear(b *testing.B) {
	files := vfs.OS{}
	root := filepath.Join(b.TempDir(), "db")
	s := mustOpen(b, files, Config{Path: root})
	l, err := s.NewLoader("eth0")
	if err != nil {
		b.Fatal(err)
	}
	records := officeRecords(rand.New(rand.NewPCG(1, 1)), 500)
	for i := range 400 * 24 {
		if _, err := l.Append(b.Context(), interval(noon-400*secondsPerDay+int64(i+1)*3600, uint64(i)), records); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	_ = s.Close()
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("warm=%v", warm), func(b *testing.B) {
			s := mustOpen(b, files, Config{Path: root, ReadOnly: true})
			start := cpuTime(b)
			n := 0
			for b.Loop() {
				v, err := s.View(b.Context(), "eth0", 1, maxEnd)
				if err != nil || len(v.Segments) < 400 {
					b.Fatal(err)
				}
				v.Close()
				if !warm {
					s.readers.trim(0)
				}
				n++
			}
			b.ReportMetric(float64((cpuTime(b)-start).Milliseconds())/float64(n), "cpu-ms")
		})
	}
}
