package main

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
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

// BenchmarkImportGoDB imports days of an office with two interfaces, 1.4 M rows each: half a day, or as many rows as
// WEIR_BENCH_ROWS says.
func BenchmarkImportGoDB(b *testing.B) {
	const perInterval, perDay = 2480, 288
	rows := 720_000
	if text := os.Getenv("WEIR_BENCH_ROWS"); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	source := b.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	hosts, peers := rand.NewZipf(r, 1.2, 8, 3999), rand.NewZipf(r, 1.1, 20, 999_999)
	block := func(int) []flow.Record { return officeBlock(r, hosts, peers, perInterval) }
	for left, day := (rows+perInterval-1)/perInterval, int64(0); left > 0; day++ {
		for _, iface := range []string{"eth0", "eth1"} {
			start := 1795219200 - 86400*(day+1)
			var ends []int64
			for i := range int64(min(left, perDay)) {
				ends = append(ends, start+300*(i+1))
			}
			if left -= len(ends); len(ends) == 0 {
				break
			}
			month := time.Unix(start, 0).UTC().Format("2006/01")
			if err := writeGoBlocks(filepath.Join(source, iface, month, strconv.FormatInt(start, 10)), ends, block); err != nil {
				b.Fatal(err)
			}
		}
	}
	benchmarkImport(b, importVerb{goDB: source})
}

// officeBlock is an interval of a site, sorted by key as goProbe has it: few sources, many peers, counters over several
// orders of magnitude, one row in eight IPv6.
func officeBlock(r *rand.Rand, hosts, peers *rand.Zipf, n int) []flow.Record {
	records := make([]flow.Record, n)
	for i := range records {
		k, c := &records[i].Key, &records[i].Counters
		*k = flow.Key{Family: flow.IPv4, Protocol: flow.TCP, DestinationPort: [...]uint16{443, 53, 80, 445, 123, 993, 22, 8080}[r.IntN(8)&r.IntN(8)]}
		at := 0
		if r.IntN(8) == 0 {
			at, k.Family = 12, flow.IPv6
			k.Source[0], k.Destination[0] = 0x20, 0x2a
		}
		binary.BigEndian.PutUint32(k.Source[at:], 0x0a0a0000+uint32(hosts.Uint64()))
		binary.BigEndian.PutUint32(k.Destination[at:], 0x20000000+uint32(peers.Uint64())*40503)
		c.PacketsReceived = uint64(r.ExpFloat64()*12) + 1
		c.PacketsSent = c.PacketsReceived/2 + 1
		c.BytesReceived, c.BytesSent = c.PacketsReceived*(60+r.Uint64N(1300)), c.PacketsSent*(60+r.Uint64N(200))
	}
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return records
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
func rowsOf(b testing.TB, directory string) (rows uint64) {
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
