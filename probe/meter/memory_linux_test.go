package meter

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/store"
)

// What is resident is measured in a process of its own: this program again, told by the environment what to do.
const (
	memoryTask  = "WEIR_METER_MEMORY"
	knownFlows  = 1000
	knownEach   = 5
	floodMemory = 192 << 20
	liveFlows   = 1_000_000
	liveMost    = 160 << 20
)

// memoryReport is what the process says.
type memoryReport struct {
	Resident, Peak  int64
	Metered, InRows uint64
	Folded          uint64
	FoldedRows      uint64 // packets in rows without addresses
	KnownExact      int    // flows that were known before the flood and have all their packets
	LaterMissing    uint64 // packets of flows that came during the flood and are not in their rows
	Checkpoint      string
	Duration        time.Duration
	Received        uint64
}

// inProcess runs a task and returns what it says.
func inProcess(t testing.TB, task string) (r memoryReport) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run", "^TestMemoryTask$", "-test.v")
	command.Env = append(os.Environ(), memoryTask+"="+task)
	output, err := command.CombinedOutput()
	_, text, found := strings.Cut(string(output), "report: ")
	if err != nil || !found {
		t.Fatalf("%v\n%s", err, output)
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d MiB resident, at most %d MiB; %d packets in %v", task, r.Resident>>20, r.Peak>>20, r.Metered, r.Duration.Round(time.Millisecond))
	return r
}

// TestMemoryTask is the other process.
func TestMemoryTask(t *testing.T) {
	task := os.Getenv(memoryTask)
	if task == "" {
		t.Skip("only for TestFlood and TestMillionFlows")
	}
	debug.SetGCPercent(50) // as weir-probe
	name, count, _ := strings.Cut(task, "=")
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	r := map[string]func(*testing.T, int) memoryReport{"flood": floodTask, "live": liveTask}[name](t, n)
	r.Peak = memoryOf(t, "VmHWM:")
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nreport: %s\n", text)
}

// memoryOf is a line of /proc/self/status, in bytes.
func memoryOf(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), name)
	size, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return size << 10
}

// generator makes frames as they are read. After the last one it blocks until it is told to end.
type generator struct {
	next   func(number int, data []byte) // fills in the n-th packet
	total  int
	number int
	data   [batch][28]byte
	wake   chan struct{}

	mu      sync.Mutex
	over    bool
	pausing chan struct{} // closed when everything has been read
}

func newGenerator(total int, next func(int, []byte)) *generator {
	return &generator{next: next, total: total, wake: make(chan struct{}, 1), pausing: make(chan struct{})}
}

func (g *generator) Read(frames []capture.Frame) (int, error) {
	n := min(len(frames), g.total-g.number)
	if n == 0 {
		g.mu.Lock()
		if !g.over {
			g.over = true
			close(g.pausing)
		}
		g.mu.Unlock()
		<-g.wake
		return 0, nil
	}
	for i := range n {
		copy(g.data[i][:], udpHead)
		g.next(g.number, g.data[i][:])
		frames[i] = capture.Frame{Data: g.data[i][:], Length: 28, Link: udpLink, Sent: true}
		g.number++
	}
	return n, nil
}

func (g *generator) Wake() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *generator) Stats() (capture.Stats, error) { return capture.Stats{}, nil }
func (g *generator) Close() error                  { return nil }

var (
	udpHead = udp(0).Data
	udpLink = udp(0).Link
)

// setEnds makes the conversation that of a host with port 53 of a server.
func setEnds(data []byte, host uint32, port uint16) {
	binary.BigEndian.PutUint32(data[12:], host)
	binary.BigEndian.PutUint16(data[20:], port)
}

// meterAll meters what a generator makes, into a store; meanwhile is called when everything is read.
func meterAll(t *testing.T, g *generator, change func(*Config), meanwhile func(*Meter)) (*store.Store, Status) {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "store")}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cfg := DefaultConfig()
	cfg.Interface, cfg.CheckpointDir, cfg.Interval = "eth0", filepath.Join(dir, "checkpoint"), time.Hour
	change(&cfg)
	// All of it is in one interval, whatever hour it is.
	begin := time.Now()
	clock := func() time.Time { return begin.Truncate(time.Hour).Add(time.Minute + time.Since(begin)) }
	m, err := New(cfg, Deps{Source: g, Sink: db, Boot: [16]byte{1}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- m.Run(ctx) }()
	<-g.pausing
	meanwhile(m)
	cancel()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	return db, m.Status()
}

// floodTask meters known flows, then n spoofed ones, between them the known again and some later ones.
func floodTask(t *testing.T, n int) (r memoryReport) {
	const later = 1000
	begin := time.Now()
	known := knownFlows * knownEach
	half := n / 2
	g := newGenerator(2*known+n+later, func(i int, data []byte) {
		switch {
		case i < known:
			setEnds(data, 0x0a000000+uint32(i%knownFlows), 40000)
		case i < known+half:
			setEnds(data, 0x30000000+uint32(i), uint16(i)|1)
		case i < 2*known+half:
			setEnds(data, 0x0a000000+uint32(i%knownFlows), 40000)
		case i < 2*known+half+later:
			setEnds(data, 0x0b000000+uint32(i%later), 40000)
		default:
			setEnds(data, 0x30000000+uint32(i), uint16(i)|1)
		}
	})
	db, status := meterAll(t, g, func(c *Config) { c.Table.Memory = floodMemory }, func(*Meter) {})
	laterSeen := uint64(0)
	_, err := db.Scan(t.Context(), "eth0", 0, 1<<40, func(i flow.Interval, records []flow.Record) error {
		r.Metered += i.Accounting.Metered
		r.Received += i.Accounting.Received
		for _, row := range records {
			packets := row.Counters.Packets()
			r.InRows += packets
			switch {
			case row.Key.Folded():
				r.FoldedRows += packets
			case row.Key.Source[0] == 10 && packets == 2*knownEach:
				r.KnownExact++
			case row.Key.Source[0] == 11:
				laterSeen += packets
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Folded, r.LaterMissing, r.Resident = status.Folded, later-laterSeen, memoryOf(t, "VmRSS:")
	r.Duration = time.Since(begin)
	return r
}

// BenchmarkMemory prints what ten million spoofed flows in one interval, and a million live ones, take.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		r := inProcess(b, "flood=10000000")
		b.ReportMetric(float64(r.Peak)/(1<<20), "flood-MiB-RSS")
		b.ReportMetric(floodMemory>>20, "flood-MiB-allowed")
		b.ReportMetric(float64(r.Duration.Nanoseconds())/float64(r.Metered), "flood-ns/packet")
		r = inProcess(b, fmt.Sprintf("live=%d", liveFlows))
		b.ReportMetric(float64(r.Resident)/(1<<20), "live-MiB-RSS")
	}
	b.ReportMetric(0, "ns/op") // means nothing here
}

// TestFlood: millions of spoofed flows in one interval stay within the memory that is configured. What was known before
// stays exact, what comes later is off by no more than what is reported as folded, and nothing is lost.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	n := floodFlows
	r := inProcess(t, fmt.Sprintf("flood=%d", n))
	if r.Peak >= floodMemory {
		t.Errorf("%d bytes were resident, %d are allowed", r.Peak, floodMemory)
	}
	if want := uint64(n + 2*knownFlows*knownEach + 1000); r.Metered != want || r.InRows != want || r.Received != want {
		t.Errorf("%d packets metered, %d in rows, want %d", r.Metered, r.InRows, want)
	}
	if r.KnownExact != knownFlows {
		t.Errorf("%d of %d flows that were known before are exact", r.KnownExact, knownFlows)
	}
	if r.Folded == 0 || r.Folded != r.FoldedRows || r.LaterMissing > r.Folded {
		t.Errorf("%d packets were folded, %d are in rows without addresses, %d of later flows are missing", r.Folded, r.FoldedRows, r.LaterMissing)
	}
}

// liveTask holds n flows that are alive, over two checkpoints.
func liveTask(t *testing.T, n int) (r memoryReport) {
	begin := time.Now()
	g := newGenerator(2*n, func(i int, data []byte) { // two of three TCP, from the middle
		setEnds(data, 0x0a000000+uint32(i%n), uint16(i%n)|1)
		if i%n%3 != 0 {
			data[9] = byte(flow.TCP)
		}
	})
	_, status := meterAll(t, g, func(c *Config) { c.Checkpoint, c.CheckpointRate = time.Second, 1<<30 }, func(m *Meter) {
		for deadline := time.Now().Add(patience); m.Status().Checkpoint.Last.IsZero() && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		r.Resident, r.Checkpoint = memoryOf(t, "VmHWM:"), m.Status().Checkpoint.Error
		if m.Status().Checkpoint.Last.IsZero() {
			r.Checkpoint = "there was none"
		}
	})
	r.Metered, r.Folded = status.Total.Metered, status.Folded
	r.Duration = time.Since(begin)
	return r
}

// TestMillionFlows: a million flows that are alive take less than 160 MiB of the process, checkpoints included.
func TestMillionFlows(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	r := inProcess(t, fmt.Sprintf("live=%d", liveFlows))
	if r.Resident >= liveMost || r.Folded != 0 || r.Checkpoint != "" {
		t.Errorf("%d MiB resident, want less than %d; %d folded; checkpoint: %s", r.Resident>>20, liveMost>>20, r.Folded, r.Checkpoint)
	}
}
