package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/probe/store"
)

// BenchmarkImportCSV imports the file named by WEIR_BENCH_CSV, such as one that flowgen made, synced as ever.
func BenchmarkImportCSV(b *testing.B) {
	source := os.Getenv("WEIR_BENCH_CSV")
	if source == "" {
		b.Skip("WEIR_BENCH_CSV names no file")
	}
	benchmarkImport(b, importVerb{csv: source})
}

// benchmarkImport imports into new stores, and reports rows by second and by second of processor time.
func benchmarkImport(b *testing.B, v importVerb) {
	rows, start := uint64(0), cpuTime(b)
	for b.Loop() {
		v.app = &app{stdout: io.Discard, stderr: io.Discard, now: time.Now}
		v.directory = filepath.Join(b.TempDir(), "db")
		if err := v.run(b.Context()); err != nil {
			b.Fatal(err)
		}
		rows += rowsOf(b, v.directory)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(rows)/(cpuTime(b)-start).Seconds(), "rows/cpu-s")
	b.ReportMetric(0, "ns/op")
}

// rowsOf is the number of rows in a store.
func rowsOf(b *testing.B, directory string) (rows uint64) {
	b.Helper()
	s, err := store.Open(store.Config{Path: directory, ReadOnly: true}, store.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	names, err := s.Interfaces()
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		stat, err := s.Stat(name)
		if err != nil {
			b.Fatal(err)
		}
		rows += stat.SegmentRows + stat.LogRows
	}
	return rows
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
