//go:build linux

package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// The fleet of the benchmark: probes with real stores in this process, and the gateway as one of its own.
const (
	benchHosts    = 1000
	benchDeadline = 5 * time.Second // of a host
)

// benchDay is what a host has: 24 hours in intervals of 15 minutes, 1,900 rows.
var benchDay = day{15 * time.Minute, 96, 20}

// BenchmarkFleet is what a question costs: the top 25 of conversations over 24 hours, of 10, 100 and 1,000 hosts, and of
// 1,000 of which 5 % hang and 5 % refuse. answer-s is the time to the answer, gateway-cpu-ms the processor time of the
// gateway and probes-cpu-ms that of all probes together, peak-MiB the most memory that it ever held. Bounds: 2 s + the deadline, 300 MiB.
func BenchmarkFleet(b *testing.B) {
	urls := make([]string, benchHosts)
	var making sync.WaitGroup
	turn := make(chan struct{}, 2)
	for i := range urls {
		making.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			urls[i] = listening(b, simulate(b, fmt.Sprintf("host-%04d", i), uint64(i), benchDay))
		})
	}
	making.Wait()
	for _, n := range []int{10, 100, benchHosts} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			g := newBenchGateway(b, urls[:n], "host_timeout: 1m")
			for b.Loop() {
				g.ask(b, n, nil, 2*time.Second)
			}
			g.report(b)
		})
	}
	broken := append([]string{}, urls...)
	want := map[wire.Class]int{}
	hanging, refusing := silentServer(b), closedPort(b)
	for i := 0; i < benchHosts; i += 20 {
		broken[i] = fmt.Sprintf("%s/h%d", hanging, i) // addresses differ: one would be the same host
		broken[i+10] = fmt.Sprintf("%s/h%d", refusing, i)
		want[wire.ClassTimeout]++
		want[wire.ClassRefused]++
	}
	b.Run("hosts=1000/broken=10%", func(b *testing.B) {
		g := newBenchGateway(b, broken, fmt.Sprintf("host_timeout: %s, breaker_failures: 0", benchDeadline)) // every time as if it were the first
		for b.Loop() {
			g.ask(b, benchHosts, want, benchDeadline+2*time.Second)
		}
		g.report(b)
	})
	b.Run("hosts=1000/broken=10%/breakers", func(b *testing.B) {
		g := newBenchGateway(b, broken, fmt.Sprintf("host_timeout: %s, breaker_wait: 10m, breaker_max_wait: 10m", benchDeadline))
		for range 5 {
			g.ask(b, benchHosts, nil, time.Minute)
		}
		for b.Loop() {
			g.ask(b, benchHosts, map[wire.Class]int{wire.ClassBreaker: 100}, 2*time.Second)
		}
		g.report(b)
	})
}

// silentServer accepts and never answers.
func silentServer(b *testing.B) string {
	done := make(chan struct{})
	b.Cleanup(func() { close(done) })
	return listening(b, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}))
}

// closedPort is an address that nobody listens on.
func closedPort(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

type benchGateway struct {
	process *process
	http    http.Client
	first   float64       // processor seconds before
	probes  time.Duration // of this process, which is the probes'
	queries int
	answer  time.Duration // sum
	worst   time.Duration
}

func newBenchGateway(b *testing.B, urls []string, settings string) *benchGateway {
	dir := b.TempDir()
	var hosts strings.Builder
	for i, url := range urls {
		fmt.Fprintf(&hosts, "    - {name: host-%04d, url: %q, labels: {site: s%d}}\n", i, url, i%50)
	}
	socket, config := filepath.Join(dir, "gateway.sock"), filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("api: {listen: [{unix: %q}]}\nlog: {level: error}\nfleet: {%s}\ninventory:\n  hosts:\n%s", socket, settings, hosts.String())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	g := &benchGateway{process: start(b, exec.Command(binary(b, clientProgram), "gateway", "--config", config))}
	g.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	b.Cleanup(g.http.CloseIdleConnections)
	eventually(b, patience, func() string {
		if g.process.ended() {
			b.Fatalf("the gateway ended: %v\n%s", g.process.err, g.process.output)
		}
		response, err := g.http.Get("http://gateway/-/ready")
		if err != nil {
			return err.Error()
		}
		response.Body.Close()
		return ""
	})
	g.ask(b, len(urls), nil, time.Minute) // connects
	g.first, g.probes, g.queries, g.answer, g.worst = g.processor(b), probesTime(b), 0, 0, 0
	return g
}

// ask asks the question and checks the answer: whose it is, and in what time. Without want nothing may fail, unless
// there is a minute.
func (g *benchGateway) ask(b *testing.B, hosts int, want map[wire.Class]int, within time.Duration) {
	b.Helper()
	started := time.Now()
	response, err := g.http.Post("http://gateway/_query", "application/json", strings.NewReader(`{"query":"sip,dip,dport","ifaces":"any","first":"-1d","merge":true,"num_results":25}`))
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	took := time.Since(started)
	result := new(wire.Result)
	if err == nil {
		err = json.Unmarshal(text, result)
	}
	if err != nil || len(result.Rows) != 25 || len(result.HostsStatuses) != hosts {
		b.Fatalf("%v: %d rows of %d hosts: %.300s", err, len(result.Rows), len(result.HostsStatuses), text)
	}
	failed, said := map[wire.Class]int{}, ""
	for name, s := range result.HostsStatuses {
		if s.Class != "" {
			failed[s.Class]++
			said = name + ": " + s.Message
		} else if s.State != wire.StateOK {
			b.Fatalf("%s: %+v", name, s)
		}
	}
	if within < time.Minute && fmt.Sprint(failed) != fmt.Sprint(want) {
		b.Fatalf("hosts that failed by class: %v, want %v; %s", failed, want, said)
	}
	if took > within {
		b.Logf("the answer took %v, the bound is %v", took, within)
	}
	g.queries++
	g.answer += took
	g.worst = max(g.worst, took)
}

func (g *benchGateway) report(b *testing.B) {
	b.ReportMetric((g.answer / time.Duration(g.queries)).Seconds(), "answer-s")
	b.ReportMetric(g.worst.Seconds(), "worst-s")
	b.ReportMetric((g.processor(b)-g.first)*1000/float64(g.queries), "gateway-cpu-ms")
	b.ReportMetric(float64((probesTime(b)-g.probes).Milliseconds())/float64(g.queries), "probes-cpu-ms")
	b.ReportMetric(g.peak(b), "peak-MiB")
	b.ReportMetric(0, "ns/op")
}

// probesTime is the processor time of this process.
func probesTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var cpuMetric = regexp.MustCompile(`(?m)^process_cpu_seconds_total ([0-9.e+-]+)$`)

// processor is the processor time that the gateway has used, in seconds.
func (g *benchGateway) processor(b *testing.B) float64 {
	response, err := g.http.Get("http://gateway/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body) // what is missing is seen
	m := cpuMetric.FindSubmatch(text)
	if m == nil {
		b.Fatalf("no processor time in %s", text)
	}
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return seconds
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+([0-9]+) kB$`)

// peak is the most memory that the gateway has held, in MiB.
func (g *benchGateway) peak(b *testing.B) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.process.command.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	return peakOf(b, text)
}

// peakOf is the most memory of a process by its status, in MiB.
func peakOf(b *testing.B, status []byte) float64 {
	m := peakLine.FindSubmatch(status)
	if m == nil {
		b.Fatalf("no peak in %s", status)
	}
	kilobytes, _ := strconv.ParseFloat(string(m[1]), 64) // digits
	return kilobytes / 1024
}
