package agent

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
)

// source hands out frames that a test pushes.
type source struct {
	wake chan struct{}

	mu     sync.Mutex
	frames []capture.Frame
	err    error
	closed bool
}

func (s *source) push(n int) {
	s.mu.Lock()
	for range n {
		s.frames = append(s.frames, udp())
	}
	s.mu.Unlock()
	s.Wake()
}

// fail makes Read fail once the frames are read.
func (s *source) fail(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.Wake()
}

func (s *source) take(frames []capture.Frame) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := copy(frames, s.frames); n > 0 {
		s.frames = s.frames[n:]
		return n, nil
	}
	return 0, s.err
}

func (s *source) Read(frames []capture.Frame) (int, error) {
	if n, err := s.take(frames); n > 0 || err != nil {
		return n, err
	}
	<-s.wake
	return s.take(frames)
}

func (s *source) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *source) Stats() (capture.Stats, error) { return capture.Stats{}, nil }

func (s *source) Fill() float64 { return 0.25 }

func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *source) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// udp is a frame of a question to a name server.
func udp() capture.Frame {
	b := make([]byte, 28)
	b[0], b[8], b[9] = 0x45, 64, byte(flow.UDP)
	binary.BigEndian.PutUint16(b[2:], 28)
	copy(b[12:], []byte{192, 0, 2, 1, 192, 0, 2, 53})
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], 53)
	binary.BigEndian.PutUint16(b[24:], 8)
	return capture.Frame{Data: b, Length: 28, Link: packet.LinkRawIP}
}

// machine is one whose interfaces come and go as a test says.
type machine struct {
	mu         sync.Mutex
	interfaces []string
	refused    map[string]error   // why one cannot be opened
	sources    map[string]*source // the last one opened
	opened     int
	event      chan struct{}
}

func newMachine(interfaces ...string) *machine {
	return &machine{interfaces: interfaces, refused: map[string]error{}, sources: map[string]*source{},
		event: make(chan struct{})}
}

func (m *machine) list() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.interfaces), nil
}

func (m *machine) open(cfg capture.LiveConfig, rings int) ([]capture.Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.refused[cfg.Interface]
	if err == nil && !slices.Contains(m.interfaces, cfg.Interface) {
		err = capture.ErrNoInterface
	}
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", cfg.Interface, err)
	}
	var all []capture.Source
	for range rings {
		s := &source{wake: make(chan struct{}, 1)}
		m.sources[cfg.Interface] = s
		all = append(all, s)
	}
	m.opened++
	return all, nil
}

// watch says that something has changed when a test says so.
func (m *machine) watch(ctx context.Context, changed chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.event:
			changed <- struct{}{}
		}
	}
}

func (m *machine) refuse(name string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[name] = err
}

func (m *machine) add(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interfaces = append(m.interfaces, name)
}

// remove takes an interface away, under a capture that may run on it.
func (m *machine) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interfaces = slices.DeleteFunc(m.interfaces, func(n string) bool { return n == name })
	if s := m.sources[name]; s != nil {
		s.fail(fmt.Errorf("capture on %s: %w any more", name, capture.ErrNoInterface))
	}
}

func (m *machine) source(name string) *source {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sources[name]
}

// logged is how often a text stands in a log.
func logged(log *testenv.Journal, text string) int { return strings.Count(log.String(), text) }

// rig is an agent at work on a machine, within a synctest bubble.
type rig struct {
	*Agent
	*machine
	t      *testing.T
	log    *testenv.Journal
	cancel context.CancelFunc
	result chan error
}

// newRig makes an agent that does not run yet. Its store is in dir, or in a directory of its own.
func newRig(t *testing.T, m *machine, dir string, change func(*Config)) *rig {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Host.Name, cfg.Store.Path = "alpha", dir
	if dir == "" {
		cfg.Store.Path = t.TempDir()
	}
	if change != nil {
		change(&cfg)
	}
	r := &rig{machine: m, t: t, log: &testenv.Journal{}, result: make(chan error, 1)}
	var err error
	r.Agent, err = New(cfg, Deps{Logger: slog.New(slog.NewTextHandler(r.log, nil)), Open: m.open, List: m.list, Watch: m.watch})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startRig makes an agent that captures on the interfaces, and runs it.
func startRig(t *testing.T, m *machine, interfaces ...string) *rig {
	t.Helper()
	r := newRig(t, m, "", func(c *Config) { c.Capture.Interfaces = interfaces })
	r.run()
	return r
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	go func() { r.result <- r.Run(ctx) }()
	synctest.Wait()
}

// wait lets time pass.
func (r *rig) wait(d time.Duration) {
	time.Sleep(d) // the clock of the bubble
	synctest.Wait()
}

// stop ends capture; the store stays open until the test closes it.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.result; err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// close ends everything.
func (r *rig) close() {
	r.t.Helper()
	if r.cancel != nil {
		r.stop()
	}
	if err := r.Close(); err != nil {
		r.t.Errorf("Close: %v", err)
	}
}

// ask asks for everything since the beginning, by protocol.
func (r *rig) ask(live bool) *wire.Result {
	r.t.Helper()
	request := wire.Request{Query: "proto", Ifaces: "any", First: "0", Live: live}
	q, err := request.Prepare(time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	result, err := r.Query(r.t.Context(), q, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

// packets is how many packets the answer has.
func packets(result *wire.Result) uint64 { return result.Summary.Totals.Flow().Packets() }
