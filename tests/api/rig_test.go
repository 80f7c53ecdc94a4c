//go:build linux

// Package api holds the tests of the served API as its callers meet it: a real agent with a store that is filled and
// a capture that runs, behind real listeners. The programs are not needed; package tests runs those.
package api

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/store"
)

// present is the moment at which the recorded requests were sent, give or take a minute.
var present = time.Date(2026, 11, 21, 6, 17, 0, 0, time.UTC)

// interfaces of the machine, all of which are captured.
var interfaces = []string{"eth0", "eth1", "eth2", "vetha", "vethb"}

const interval = 5 * time.Minute

// rig is a probe: an agent that captures what its sources make up, and a server with a listener for every way in.
type rig struct {
	agent   *agent.Agent
	server  *serve.Server
	log     *testenv.Journal
	query   string // URL of a listener that lets this machine in with the role query
	admin   string // the same with the role admin
	socket  string
	tick    func() // lets the sources hand over some packets
	stopped chan struct{}
}

// options of a rig.
type options struct {
	server func(*serve.Config)
	agent  func(*agent.Config)
	now    func() time.Time // nil: it is the present
	traces trace.TracerProvider
}

func newRig(t testing.TB, o options) *rig {
	t.Helper()
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "store"))
	if o.now == nil {
		o.now = func() time.Time { return present }
	}
	r := &rig{log: &testenv.Journal{}, socket: filepath.Join(dir, "socket"), stopped: make(chan struct{})}
	logger := slog.New(slog.NewTextHandler(r.log, nil))
	r.capture(t, dir, logger, o)
	registry := prometheus.NewRegistry()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg := serve.DefaultConfig()
	cfg.Listen = []serve.Listen{
		{TCP: "127.0.0.1:0", Insecure: &serve.Insecure{Allow: loopback}},
		{TCP: "127.0.0.1:0", Insecure: &serve.Insecure{Allow: loopback, Role: serve.RoleAdmin}},
		{Unix: r.socket},
	}
	if o.server != nil {
		o.server(&cfg)
	}
	var err error
	r.server, err = serve.New(cfg, serve.Deps{
		Querier: r.agent, Logger: logger, Info: serve.Info{Name: "weir-probe", Version: "test"}, Extra: r.agent.Routes(),
		Registerer: registry, Gatherer: registry, RuntimeID: r.agent.RuntimeID(), Now: o.now, Traces: o.traces,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.query, r.admin = "http://"+r.server.Addrs()[0].String(), "http://"+r.server.Addrs()[1].String()
	r.run(t)
	return r
}

// capture makes the agent.
func (r *rig) capture(t testing.TB, dir string, logger *slog.Logger, o options) {
	t.Helper()
	cfg := agent.DefaultConfig()
	cfg.Host.Name, cfg.Store.Path, cfg.Capture.Interfaces = "alpha", filepath.Join(dir, "store"), interfaces
	if o.agent != nil {
		o.agent(&cfg)
	}
	var mu sync.Mutex
	sources := map[string]*source{}
	var err error
	r.agent, err = agent.New(cfg, agent.Deps{
		Logger: logger, Now: o.now, List: func() ([]string, error) { return interfaces, nil },
		Open: func(c capture.LiveConfig, _ int) ([]capture.Source, error) {
			mu.Lock()
			defer mu.Unlock()
			sources[c.Interface] = &source{wake: make(chan struct{}, 1)}
			return []capture.Source{sources[c.Interface]}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.tick = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range sources {
			if s.waiting.Load() < 100 { // a busy machine need not catch up
				s.waiting.Add(20)
			}
			s.Wake()
		}
	}
}

// run runs both halves until the test ends.
func (r *rig) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- r.agent.Run(ctx) }()
	go func() { ended <- r.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
		if err := r.agent.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if strings.Contains(r.log.String(), "msg=panic") {
			t.Errorf("a handler has panicked: %s", r.log)
		}
	})
}

// fill makes a store with three hours before the present, an interval of every hour of the day before, and an hour of
// two months earlier.
func fill(t testing.TB, path string) {
	t.Helper()
	s, err := store.Open(store.Config{Path: path}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	var ends []int64
	for end := int64(1790000100); end <= 1790003700; end += int64(interval / time.Second) {
		ends = append(ends, end)
	}
	last := present.Truncate(interval)
	for end := last.Add(-26 * time.Hour); !end.After(last); {
		ends = append(ends, end.Unix())
		if last.Sub(end) > 3*time.Hour {
			end = end.Add(time.Hour)
		} else {
			end = end.Add(interval)
		}
	}
	for i, iface := range interfaces {
		for n, end := range ends {
			block := flow.Interval{End: end, Duration: interval, Boot: [16]byte{1}, Sequence: uint64(n)}
			records := flows(uint64(i), uint64(n))
			for _, r := range records {
				block.Accounting.Metered += r.Counters.PacketsReceived + r.Counters.PacketsSent
			}
			block.Accounting.Received = block.Accounting.Metered
			if err := s.Append(context.Background(), iface, block, records); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// flows are the rows of one interval: the services that the recorded conditions ask for, and a few others.
func flows(iface, n uint64) []flow.Record {
	var list []flow.Record
	add := func(source, destination string, port uint16, protocol flow.Protocol, received, sent uint64) {
		var r flow.Record
		r.Key.Source, r.Key.Family = flow.AddressFrom(netip.MustParseAddr(source))
		r.Key.Destination, _ = flow.AddressFrom(netip.MustParseAddr(destination))
		r.Key.DestinationPort, r.Key.Protocol = port, protocol
		r.Counters = flow.Counters{BytesReceived: received * 100, BytesSent: sent * 100, PacketsReceived: received, PacketsSent: sent}
		list = append(list, r)
	}
	add("10.0.0.1", "192.0.2.1", 443, flow.TCP, 10+n, 20+iface)
	add("10.0.0.2", "192.0.2.1", 443, flow.TCP, 1+n%7, 2)
	add("10.0.0.1", "192.0.2.53", 53, flow.UDP, 3, 0)
	add("10.0.0.1", "192.0.2.9", 2048, flow.ICMP, 1, 1)
	add("10.0.0.3", "192.0.2.9", 0, 0, 1, 1) // HOPOPT: both vanish from JSON
	add("2001:db8::1", "2001:db8::2", 22, flow.TCP, 5, iface)
	for i := range n % 5 {
		add(fmt.Sprintf("10.1.%d.1", i), "192.0.2.7", uint16(8000+i), flow.TCP, i+1, 1)
	}
	return list
}

// source hands over frames that nobody sent, as many as it is told to.
type source struct {
	wake    chan struct{}
	waiting atomic.Int64
	sent    int
}

func (s *source) Read(frames []capture.Frame) (int, error) {
	if s.waiting.Load() == 0 {
		<-s.wake
	}
	n := min(int(s.waiting.Load()), len(frames))
	for i := range n {
		frames[i] = question(s.sent)
		s.sent++
	}
	s.waiting.Add(int64(-n))
	return n, nil
}

func (s *source) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *source) Stats() (capture.Stats, error) { return capture.Stats{}, nil }
func (s *source) Close() error                  { return nil }

// question is a frame with a question to a name server, from one of many hosts.
func question(n int) capture.Frame {
	b := make([]byte, 28)
	b[0], b[8], b[9] = 0x45, 64, byte(flow.UDP)
	binary.BigEndian.PutUint16(b[2:], 28)
	copy(b[12:], []byte{198, 51, byte(n >> 8), byte(n), 192, 0, 2, 53})
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], 53)
	binary.BigEndian.PutUint16(b[24:], 8)
	return capture.Frame{Data: b, Length: 28, Link: packet.LinkRawIP}
}

// reply is an answer with its whole body.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request over TCP and reads the whole answer.
func send(t testing.TB, client *http.Client, method, url, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, text}
}

// unixClient talks to a Unix socket, whatever host a URL names.
func unixClient(t testing.TB, path string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
