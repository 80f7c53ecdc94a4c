//go:build linux

package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/pkg/reports"
)

// BenchmarkActors asks what 10,000 addresses and networks of a list did, of all of a store, as a whole process with its
// output. WEIR_BENCH_ROWS says how many rows the store has, 1.1 million for each day: 100 million are 90 days, whose
// bound is 2 s of CPU when the store is in memory. Read from the disk it should take no longer than twice the warm time
// and what the disk needs for the bytes.
func BenchmarkActors(b *testing.B) {
	rows := number(b, "WEIR_BENCH_ROWS", 1_100_000)
	const perDay = 1_111_111
	days := max(rows/perDay, 2)
	root := filepath.Join(b.TempDir(), "db")
	start := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -int(days))
	began := time.Now()
	stored, size := makeYear(b, root, start, days, rows/days)
	b.Logf("%d days, %d rows, %.2f bytes/row, made in %.0f s", days, stored, float64(size)/float64(stored), time.Since(began).Seconds())
	for _, of := range []struct {
		name string
		near int
	}{{"Few", 500}, {"Many", 10}} { // of the entries, one in so many is of the space of the store's peers
		b.Run(of.name, func(b *testing.B) { benchActorsOf(b, root, start, benchActors(of.near)) })
	}
}

func benchActorsOf(b *testing.B, root string, start time.Time, text string) {
	list := filepath.Join(b.TempDir(), "actors.txt")
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	arguments := []string{"actors", "hits", "-d", root, "-f", fmt.Sprint(start.Unix()), "-n", "10000", "-e", "json", list}
	output, err := exec.Command(binary(b, clientProgram), arguments...).Output()
	if err != nil {
		b.Fatal(err)
	}
	var answer reports.ActorsAnswer
	if err := json.Unmarshal(output, &answer); err != nil || answer.Entries != 10_000 || answer.Hits == 0 {
		b.Fatalf("%v: %d entries, %d hits", err, answer.Entries, answer.Hits)
	}
	least, floor := cost{cpu: time.Hour, wall: time.Hour}, cost{cpu: time.Hour, wall: time.Hour}
	for b.Loop() {
		for range 3 {
			least.least(spend(b, exec.Command(binary(b, clientProgram), arguments...)))
			floor.least(spend(b, exec.Command(binary(b, clientProgram), "version")))
		}
	}
	forget(b, root)
	cold := exec.Command(binary(b, clientProgram), arguments...)
	spent := spend(b, cold)
	read := float64(cold.ProcessState.SysUsage().(*syscall.Rusage).Inblock) * 512
	rate := diskRate(b, root)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(answer.Hits), "hits")
	b.ReportMetric(ms(least.cpu), "CPU-ms")
	b.ReportMetric(ms(floor.cpu), "floor-CPU-ms")
	b.ReportMetric(2000, "bound-CPU-ms")
	b.ReportMetric(ms(least.wall), "wall-ms")
	b.ReportMetric(float64(least.memory)/(1<<20), "MiB-RSS")
	b.ReportMetric(ms(spent.wall), "cold-wall-ms")
	b.ReportMetric(read/(1<<20), "cold-MiB-read")
	b.ReportMetric(rate/(1<<20), "disk-MiB/s")
	b.ReportMetric(2*ms(least.wall)+1000*read/rate, "bound-cold-ms")
}

// benchActors are 9,000 addresses and 1,000 networks, one in so many of the space that the store's million peers are in.
func benchActors(near int) string {
	r := rand.New(rand.NewPCG(5, 5))
	known := map[netip.Prefix]bool{}
	var text strings.Builder
	for len(known) < 10_000 {
		first := byte(60 + r.IntN(150))
		if r.IntN(near) == 0 {
			first = byte(32 + r.IntN(16))
		}
		bits := 32
		if len(known) < 1000 {
			bits = 24
		}
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{first, byte(r.Uint32()), byte(r.Uint32()), 7}), bits).Masked()
		if !known[p] {
			known[p] = true
			fmt.Fprintln(&text, p)
		}
	}
	return text.String()
}

// eachFile visits the files of a store.
func eachFile(b *testing.B, root string, visit func(*os.File) error) {
	b.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		return visit(file)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// forget has the kernel drop what it holds of the store's files.
func forget(b *testing.B, root string) {
	b.Helper()
	unix.Sync()
	eachFile(b, root, func(file *os.File) error { return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED) })
}

// diskRate reads all of the store from the disk and returns bytes per second.
func diskRate(b *testing.B, root string) float64 {
	b.Helper()
	forget(b, root)
	start, bytes := time.Now(), int64(0)
	eachFile(b, root, func(file *os.File) error {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{file}, make([]byte, 1<<20))
		bytes += n
		return err
	})
	return float64(bytes) / time.Since(start).Seconds()
}
