//go:build linux

package tests

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/devtool"
	"github.com/weirflow/weir/internal/testenv"
)

// The data set on which sizes and times are compared: flowgen's, with its seed. WEIR_BENCH_ROWS and WEIR_BENCH_DAYS
// choose another size, WEIR_BENCH_DIR a directory that keeps what takes long to make.
const (
	compareRows  = 10_000_000
	compareDays  = 7
	compareStart = 1767225600 // flowgen's first day
	compareRuns  = 5          // the least of so many runs counts
	importing    = 30 * time.Minute
)

// question is one query, asked of both.
type question struct {
	name  string
	bound time.Duration // CPU time of the process less that of weir version, 10 M rows
	args  []string      // of weir query, without -d and the span
	first int64         // of the span, seconds after compareStart
	last  int64
	sql   string // gives the same rows, with a column bytes
}

const (
	sums    = "sum(br + bs) AS bytes, sum(br), sum(bs), sum(pr), sum(ps)"
	week    = compareDays * 86400
	present = 100    // actors that occur
	actors  = 10_000 // actors asked for
)

func questions(days int64) []question {
	all := days * 86400
	return []question{
		{"Q1", 900 * time.Millisecond, []string{"-n", "25", "sip,dip,dport,proto"}, 0, all,
			"SELECT sip, dip, dport, proto, " + sums + " FROM FLOWS GROUP BY ALL ORDER BY bytes DESC LIMIT 25"},
		{"Q2", 15 * time.Millisecond, []string{"-n", "100000", "-c", "sip = 10.10.3.77 & dport = 22 & proto = tcp", "dip"}, 0, all,
			"SELECT dip, " + sums + " FROM FLOWS WHERE sip = '10.10.3.77' AND dport = 22 AND proto = 6 GROUP BY ALL"},
		{"Q3", 700 * time.Millisecond, []string{"-n", "25", "sip,dip"}, 0, all,
			"SELECT sip, dip, " + sums + " FROM FLOWS GROUP BY ALL ORDER BY bytes DESC LIMIT 25"},
		{"Q4", 15 * time.Millisecond, []string{"-n", "100000", "-c", "proto = tcp & dport = 443", "time"}, 0, min(all, week),
			fmt.Sprintf("SELECT time, %s FROM FLOWS WHERE proto = 6 AND dport = 443 AND time <= %d GROUP BY ALL", sums, compareStart+min(all, week))},
		{"Q5", 50 * time.Millisecond, []string{"-n", "1000", "dport,proto"}, 0, all,
			"SELECT dport, proto, " + sums + " FROM FLOWS GROUP BY ALL ORDER BY bytes DESC LIMIT 1000"},
		{"Q6", 35 * time.Millisecond, []string{"-n", "100000", "-c", "host = 203.0.113.77", "time,iface,sip,dip,dport,proto"}, 0, all,
			"SELECT time, iface, sip, dip, dport, proto, " + sums + " FROM FLOWS WHERE sip = '203.0.113.77' OR dip = '203.0.113.77' GROUP BY ALL"},
		{"Q7", 250 * time.Millisecond, []string{"-n", "1000000", "--list", "actors=ACTORS", "-c", "host in @actors", "time,sip,dip"}, 0, all,
			"SELECT time, sip, dip, " + sums + " FROM FLOWS WHERE sip IN (SELECT column0 FROM read_csv('ACTORS', header = false)) OR dip IN (SELECT column0 FROM read_csv('ACTORS', header = false)) GROUP BY ALL"},
		{"Q8", 150 * time.Millisecond, []string{"-n", "10", "--series", "--resolution", "1h", "time,dport"}, 0, all,
			"WITH best AS (SELECT dport, sum(br + bs) AS b FROM FLOWS GROUP BY ALL ORDER BY b DESC LIMIT 10) SELECT (time + 3599) // 3600 AS hour, dport, " + sums + " FROM FLOWS WHERE dport IN (SELECT dport FROM best) GROUP BY ALL"},
		{"6h", 25 * time.Millisecond, []string{"-n", "25", "sip"}, 86400 + 6*3600 + 1, 86400 + 12*3600,
			fmt.Sprintf("SELECT sip, %s FROM FLOWS WHERE time > %d AND time <= %d GROUP BY ALL ORDER BY bytes DESC LIMIT 25",
				sums, compareStart+86400+6*3600, compareStart+86400+12*3600)},
	}
}

// cost is what a process has used.
type cost struct {
	cpu, wall time.Duration
	memory    int64 // peak resident bytes
}

func (c *cost) least(o cost) {
	c.cpu, c.wall, c.memory = min(c.cpu, o.cpu), min(c.wall, o.wall), max(c.memory, o.memory)
}

// spend runs a command, discards its output and says what it took.
func spend(b *testing.B, command *exec.Cmd) cost {
	b.Helper()
	var complaint strings.Builder
	command.Stderr = &complaint
	began := time.Now()
	if err := command.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(command.Args, " "), err, complaint.String())
	}
	used := command.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{command.ProcessState.UserTime() + command.ProcessState.SystemTime(), time.Since(began), used.Maxrss << 10}
}

// BenchmarkCompare asks Q1 to Q8 of a store, as whole processes with their output, and of DuckDB over sorted Parquet of
// the same rows; it refuses to report where the two do not agree.
func BenchmarkCompare(b *testing.B) {
	c := newComparison(b)
	floor := c.repeat(b, "version")
	b.Logf("%-4s %8.1f ms CPU (weir version: the floor that is taken off below)", "", ms(floor.cpu))
	for _, q := range questions(c.days) {
		b.Run(q.name, func(b *testing.B) {
			peer, want := c.duck(b, q)
			got := c.answer(b, q)
			if !slices.Equal(got, want) {
				b.Fatalf("weir has %d rows, DuckDB %d, or their bytes differ", len(got), len(want))
			}
			var mine cost
			for b.Loop() {
				mine = c.repeat(b, c.queryArgs(q)...)
			}
			net := max(mine.cpu-floor.cpu, 0)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(net), "CPU-ms")
			b.ReportMetric(ms(peer.cpu), "duckdb-CPU-ms")
			b.ReportMetric(ms(peer.cpu)/max(ms(net), 0.1), "x-duckdb")
			b.ReportMetric(float64(mine.memory)/(1<<20), "MiB-RSS")
			if c.rows == compareRows {
				b.ReportMetric(ms(q.bound), "bound-CPU-ms")
			}
			if q.name == "Q6" { // a look-up is what one waits for when the disk has to be asked
				b.ReportMetric(float64(c.cold(b, q))/1e6, "cold-MB-read")
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// comparison is the data set in both forms.
type comparison struct {
	rows, days          int64
	csv, store, parquet string
	actors, cwd         string
}

func newComparison(b *testing.B) *comparison {
	source := testenv.Shared(b, "tools", "flowgen")
	if !devtool.HaveNode() {
		b.Skip("DuckDB needs Node")
	}
	c := &comparison{rows: number(b, "WEIR_BENCH_ROWS", compareRows), days: number(b, "WEIR_BENCH_DAYS", compareDays)}
	c.cwd = os.Getenv("WEIR_BENCH_DIR")
	if c.cwd == "" {
		c.cwd = b.TempDir()
	}
	if err := devtool.ComparePackages(context.Background(), testenv.Root()); err != nil {
		b.Fatal(err)
	}
	c.csv = c.path("flows", ".csv")
	c.make(b, c.csv, func(to string) {
		succeed(b, importing, goRun(source, "-rows", fmt.Sprint(c.rows), "-days", fmt.Sprint(c.days), "-seed", "42", "-out", to))
	})
	c.parquet = c.path("parquet", "")
	c.make(b, c.parquet, func(to string) {
		b.Logf("sorted Parquet: %s", strings.TrimSpace(succeed(b, importing, duckDB("prepare", c.csv, to))))
	})
	c.store = c.path("store", "")
	c.make(b, c.store, func(to string) {
		took := spend(b, exec.Command(binary(b, clientProgram), "db", "import", "-d", to, "--csv", c.csv))
		compact := spend(b, exec.Command(binary(b, clientProgram), "db", "compact", "-d", to))
		b.Logf("import of CSV: %.1f s CPU, %.0f MiB at most; compaction: %.1f s CPU, %.0f MiB at most",
			took.cpu.Seconds(), float64(took.memory)/(1<<20), compact.cpu.Seconds(), float64(compact.memory)/(1<<20))
	})
	b.Logf("store: %.3f bytes/row; sorted Parquet: %.3f", float64(size(b, c.store))/float64(c.rows), float64(size(b, c.parquet))/float64(c.rows))
	c.actors = c.path("actors", ".txt")
	c.make(b, c.actors, func(to string) { writeActors(b, c.csv, to) })
	return c
}

// goRun runs a Go program of another module in its directory.
func goRun(directory string, arguments ...string) *exec.Cmd {
	command := exec.Command("go", append([]string{"run", "."}, arguments...)...)
	command.Dir = directory
	return command
}

func number(b *testing.B, name string, otherwise int64) int64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		b.Fatalf("%s=%s: expected a number above 0", name, text)
	}
	return n
}

func (c *comparison) path(name, suffix string) string {
	return filepath.Join(c.cwd, fmt.Sprintf("%s-%d-%d%s", name, c.rows, c.days, suffix))
}

// make makes a file or directory that is not there, under another name until it is whole.
func (c *comparison) make(b *testing.B, name string, work func(to string)) {
	b.Helper()
	if _, err := os.Stat(name); err == nil {
		return
	}
	half := name + ".half"
	if err := os.RemoveAll(half); err != nil {
		b.Fatal(err)
	}
	work(half)
	if err := os.Rename(half, name); err != nil {
		b.Fatal(err)
	}
}

func duckDB(arguments ...string) *exec.Cmd {
	return exec.Command("node", append([]string{filepath.Join(testenv.Root(), "tests", "compare", "duckdb.mjs")}, arguments...)...)
}

// size adds up the lengths of the files below a directory.
func size(b *testing.B, directory string) (sum int64) {
	err := filepath.WalkDir(directory, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

func (c *comparison) queryArgs(q question) []string {
	arguments := []string{"query", "-d", c.store, "-i", "any", "--merge",
		"-f", fmt.Sprint(compareStart + q.first), "-l", fmt.Sprint(compareStart + q.last)}
	for _, a := range q.args {
		arguments = append(arguments, strings.ReplaceAll(a, "ACTORS", c.actors))
	}
	return arguments
}

// cold is how many bytes a question reads from the disk when nothing of the store is in memory.
func (c *comparison) cold(b *testing.B, q question) int64 {
	forget(b, c.store)
	command := exec.Command(binary(b, clientProgram), c.queryArgs(q)...)
	spend(b, command)
	return command.ProcessState.SysUsage().(*syscall.Rusage).Inblock * 512
}

// repeat runs weir a few times and returns the least times and the most memory.
func (c *comparison) repeat(b *testing.B, arguments ...string) cost {
	least := cost{cpu: math.MaxInt64, wall: math.MaxInt64}
	for range compareRuns {
		least.least(spend(b, exec.Command(binary(b, clientProgram), arguments...)))
	}
	return least
}

// answer is the bytes of the rows of weir's answer, in order.
func (c *comparison) answer(b *testing.B, q question) []uint64 {
	arguments := append(c.queryArgs(q), "-e", "json")
	text := succeed(b, importing, exec.Command(binary(b, clientProgram), arguments...))
	var result struct {
		Rows []struct {
			Counters struct {
				Received uint64 `json:"br"`
				Sent     uint64 `json:"bs"`
			} `json:"counters"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		b.Fatal(err)
	}
	var list []uint64
	for _, row := range result.Rows {
		list = append(list, row.Counters.Received+row.Counters.Sent)
	}
	slices.Sort(list)
	return list
}

// duck asks DuckDB and returns what it took and the bytes of the rows, in order.
func (c *comparison) duck(b *testing.B, q question) (cost, []uint64) {
	input, err := json.Marshal(map[string]string{"name": q.name, "sql": strings.ReplaceAll(q.sql, "ACTORS", c.actors)})
	if err != nil {
		b.Fatal(err)
	}
	command := duckDB("ask", filepath.Join(c.parquet, "*.parquet"), fmt.Sprint(compareRuns))
	command.Stdin = strings.NewReader(string(input) + "\n")
	var answer struct {
		CPU  float64 `json:"cpu_ms"`
		Wall float64 `json:"wall_ms"`
		Rows []struct {
			Bytes json.RawMessage `json:"bytes"` // a number or, where large, a text
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(succeed(b, importing, command)), &answer); err != nil {
		b.Fatal(err)
	}
	var list []uint64
	for _, row := range answer.Rows {
		n, err := strconv.ParseUint(strings.Trim(string(row.Bytes), `"`), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, n)
	}
	slices.Sort(list)
	milli := func(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
	return cost{cpu: milli(answer.CPU), wall: milli(answer.Wall)}, list
}

// writeActors writes external addresses: some that occur, drawn from all of them alike, and others of a network for
// benchmarks (RFC 2544).
func writeActors(b *testing.B, flows, to string) {
	f, err := os.Open(flows)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rows := csv.NewReader(bufio.NewReader(f))
	rows.ReuseRecord = true
	known := map[netip.Addr]struct{}{}
	var found []netip.Addr
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		a, err := netip.ParseAddr(row[3])
		if err != nil || !a.Is4() || a.IsPrivate() {
			continue
		}
		if _, again := known[a]; !again {
			known[a] = struct{}{}
			found = append(found, a)
		}
	}
	r := rand.New(rand.NewPCG(7, 7))
	r.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	var text strings.Builder
	for _, a := range found[:min(len(found), present)] {
		fmt.Fprintln(&text, a)
	}
	other := netip.MustParseAddr("198.18.0.1")
	for range actors - min(len(found), present) {
		fmt.Fprintln(&text, other)
		other = other.Next()
	}
	if err := os.WriteFile(to, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
}
