//go:build linux

package tests

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/store"
)

// yearNeedle is the host that is looked for; it has one flow every 16th day.
var yearNeedle = flow.Address{203, 0, 113, 77}

// BenchmarkYear asks for every row of one host over all of a store of many days, as a whole process with its output; the
// bound of 300 ms is on its CPU time less the floor of weir version. WEIR_BENCH_YEAR_DAYS and WEIR_BENCH_YEAR_ROWS make
// it larger, such as 40 days of a million rows.
func BenchmarkYear(b *testing.B) {
	days, perDay := number(b, "WEIR_BENCH_YEAR_DAYS", 400), number(b, "WEIR_BENCH_YEAR_ROWS", 20_000)
	root := filepath.Join(b.TempDir(), "db")
	start := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -int(days))
	rows, size := makeYear(b, root, start, days, perDay)
	b.Logf("%d days, %d rows, %.2f bytes/row", days, rows, float64(size)/float64(rows))
	arguments := []string{"query", "-d", root, "-i", "any", "-f", fmt.Sprint(start.Unix()), "-n", "100000", "-e", "csv",
		"-c", "host = 203.0.113.77", "time,iface,sip,dip,dport,proto"}
	out, err := exec.Command(binary(b, clientProgram), arguments...).Output()
	if err != nil {
		b.Fatal(err)
	}
	if got, want := bytes.Count(out, []byte(",203.0.113.77,")), int(days+15)/16; got != want {
		b.Fatalf("%d rows of the host, want %d", got, want)
	}
	least, floor := cost{cpu: time.Hour, wall: time.Hour}, cost{cpu: time.Hour, wall: time.Hour}
	for b.Loop() {
		for range 5 {
			least.least(spend(b, exec.Command(binary(b, clientProgram), arguments...)))
			floor.least(spend(b, exec.Command(binary(b, clientProgram), "version")))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(max(least.cpu-floor.cpu, 0)), "CPU-ms")
	b.ReportMetric(ms(floor.cpu), "floor-CPU-ms")
	b.ReportMetric(float64(least.memory)/(1<<20), "MiB-RSS")
	b.ReportMetric(300, "bound-CPU-ms")
}

// makeYear fills a store with days of a site: 500 hosts, a million peers.
func makeYear(b *testing.B, root string, start time.Time, days, perDay int64) (rows uint64, size int64) {
	b.Helper()
	s, err := store.Open(store.Config{Path: root}, store.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l, err := s.NewLoader("eth0")
	if err != nil {
		b.Fatal(err)
	}
	const intervals = 288
	r := rand.New(rand.NewPCG(1, 1))
	hosts, peers := rand.NewZipf(r, 1.2, 8, 499), rand.NewZipf(r, 1.1, 20, 999_999)
	for i := range days * intervals {
		records := make([]flow.Record, perDay/intervals)
		for j := range records {
			records[j] = yearRecord(r, uint32(hosts.Uint64()), uint32(peers.Uint64()))
		}
		if i%(16*intervals) == 100 {
			records[0].Key.Destination = yearNeedle
		}
		interval := flow.Interval{End: start.Unix() + 300*(i+1), Duration: 5 * time.Minute, Boot: [16]byte{1}, Sequence: uint64(i)}
		if _, err := l.Append(context.Background(), interval, records); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	stat, err := s.Stat("eth0")
	if err != nil || stat.Segments != int(days) {
		b.Fatal(stat, err)
	}
	return stat.SegmentRows, stat.SegmentBytes
}

func yearRecord(r *rand.Rand, host, peer uint32) (record flow.Record) {
	k, c := &record.Key, &record.Counters
	*k = flow.Key{Family: flow.IPv4, Protocol: flow.TCP, DestinationPort: [...]uint16{443, 53, 80, 445, 123, 993, 22, 8080}[r.IntN(8)&r.IntN(8)]}
	k.Source = flow.Address{10, 10, byte(host >> 8), byte(host)}
	k.Destination = flow.Address{32 + byte(peer>>16), byte(peer >> 8), byte(peer), 7}
	c.PacketsReceived = uint64(r.ExpFloat64()*12) + 1
	c.PacketsSent = c.PacketsReceived/2 + 1
	c.BytesReceived, c.BytesSent = c.PacketsReceived*(60+r.Uint64N(1300)), c.PacketsSent*(60+r.Uint64N(200))
	return record
}
