package store

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// benchRows is the number of rows of an interval in the benchmarks: a busy office.
const benchRows = 4000

// officeRecords makes an interval like those of a site with some hundred hosts: few sources, many destinations, a
// handful of services, counters over several orders of magnitude, one row in five IPv6.
func officeRecords(r *rand.Rand, n int) []flow.Record {
	hosts, services := rand.NewZipf(r, 1.2, 8, 399), rand.NewZipf(r, 1.4, 2, 19)
	peers := rand.NewZipf(r, 1.1, 20, 99_999)
	records := make([]flow.Record, n)
	for i := range records {
		rec := v4(0x0a0a0000+uint32(hosts.Uint64()), uint32(peers.Uint64())*40503+0x2000_0000, 0, flow.TCP, flow.Counters{})
		service := services.Uint64()
		rec.Key.DestinationPort = [10]uint16{443, 53, 80, 445, 123, 993, 22, 8080, 3478, 25}[service%10] + uint16(service/10)
		if service%3 == 1 {
			rec.Key.Protocol = flow.UDP
		}
		if r.IntN(5) == 0 {
			source, destination := rec.Key.Source, rec.Key.Destination
			rec.Key.Family = flow.IPv6
			rec.Key.Source = flow.Address{0x20, 1, 0x0d, 0xb8, 0, 1, 14: source[2], 15: source[3]}
			rec.Key.Destination = flow.Address{0x2a, 0, 0x14, 0x50, destination[0], destination[1], 14: destination[2], 15: destination[3]}
		}
		packets := uint64(r.ExpFloat64()*12) + 1
		rec.Counters = flow.Counters{PacketsReceived: packets, PacketsSent: packets/2 + 1,
			BytesReceived: packets * (60 + r.Uint64N(1300)), BytesSent: (packets/2 + 1) * (60 + r.Uint64N(200))}
		if rec.Key.Protocol == flow.TCP {
			rec.Counters.Attempts, rec.Counters.Accepts = 1, 1
		}
		records[i] = rec
	}
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return slices.CompactFunc(records, func(a, b flow.Record) bool { return a.Key == b.Key })
}

// BenchmarkAppend appends to a real disk, synced: ns/op is the time an interval waits for it.
func BenchmarkAppend(b *testing.B) {
	s := mustOpen(b, vfs.OS{}, Config{Path: filepath.Join(b.TempDir(), "db")})
	records := officeRecords(rand.New(rand.NewPCG(1, 1)), benchRows)
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		mustAppend(b, s, "eth0", interval(noon+int64(rows/len(records))*300, uint64(rows)), records)
		rows += len(records)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
	b.ReportMetric(float64(s.WriteStats().Bytes)/float64(rows), "bytes/row")
}

// BenchmarkEncode is the part of Append that is not the disk.
func BenchmarkEncode(b *testing.B) {
	records := officeRecords(rand.New(rand.NewPCG(1, 1)), benchRows)
	header := blockHeader{interval: interval(noon, 1), rows: uint32(len(records))}
	var encoded, raw []byte
	b.ReportAllocs()
	for b.Loop() {
		encoded, raw = appendBlock(encoded[:0], raw, 1, header, records)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/row")
}

// BenchmarkScan visits a day of 288 intervals.
func BenchmarkScan(b *testing.B) {
	s := mustOpen(b, vfs.OS{}, Config{Path: filepath.Join(b.TempDir(), "db")})
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 288 {
		if i%8 == 0 || i < 8 {
			mustAppend(b, s, "eth0", interval(noon-43199+int64(i)*300, uint64(i)), officeRecords(r, benchRows))
		} else {
			mustAppend(b, s, "eth0", interval(noon-43199+int64(i)*300, uint64(i)), nil)
		}
	}
	var stats ScanStats
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if stats, err = s.Scan(context.Background(), "eth0", 0, allTime, func(flow.Interval, []flow.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(stats.Rows), "ns/row")
	b.ReportMetric(float64(stats.BytesRead)/float64(stats.Rows), "bytes/row")
}

// BenchmarkCoverage asks for the span of a month of idle intervals.
func BenchmarkCoverage(b *testing.B) {
	s := mustOpen(b, vfs.NewMemory(), Config{})
	for d := range 30 {
		for i := range 20 {
			mustAppend(b, s, "eth0", interval(noon+int64(d)*secondsPerDay+int64(i)*300, uint64(100*d+i)), nil)
		}
	}
	for b.Loop() {
		if _, _, err := s.Coverage("eth0"); err != nil {
			b.Fatal(err)
		}
	}
}
