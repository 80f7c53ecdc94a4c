package meter

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/vfs"
)

// fakeSource hands out frames that a test pushes.
type fakeSource struct {
	wake chan struct{}

	mu      sync.Mutex
	frames  []capture.Frame
	err     error
	dropped uint64
	reads   int
	limit   int // frames of one Read, 0: as many as fit
	closed  bool
}

func newSource() *fakeSource { return &fakeSource{wake: make(chan struct{}, 1)} }

func (s *fakeSource) push(frames ...capture.Frame) {
	s.mu.Lock()
	s.frames = append(s.frames, frames...)
	s.mu.Unlock()
	s.Wake()
}

// fail makes Read fail once the frames are read.
func (s *fakeSource) fail(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.Wake()
}

func (s *fakeSource) take(frames []capture.Frame) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.limit > 0 && len(frames) > s.limit {
		frames = frames[:s.limit]
	}
	n := copy(frames, s.frames)
	s.frames = s.frames[n:]
	if n > 0 {
		return n, nil
	}
	return 0, s.err
}

func (s *fakeSource) Read(frames []capture.Frame) (int, error) {
	if n, err := s.take(frames); n > 0 || err != nil {
		return n, err
	}
	<-s.wake
	return s.take(frames)
}

func (s *fakeSource) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *fakeSource) Stats() (capture.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return capture.Stats{Dropped: s.dropped}, nil
}

func (s *fakeSource) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// fakeSink keeps what it is given, and fails while it is told to.
type fakeSink struct {
	mu     sync.Mutex
	blocks []Block
	err    func(flow.Interval) error
	tries  int
}

func (s *fakeSink) Append(_ context.Context, iface string, interval flow.Interval, records []flow.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if !strings.HasPrefix(iface, "eth0") {
		panic("interface " + iface)
	}
	if s.err != nil {
		if err := s.err(interval); err != nil {
			return err
		}
	}
	s.blocks = append(s.blocks, Block{Interface: iface, Interval: interval, Records: slices.Clone(records)})
	return nil
}

func (s *fakeSink) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
	if err != nil {
		s.err = func(flow.Interval) error { return err }
	}
}

func (s *fakeSink) stored() []Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.blocks)
}

// rig is a meter at work inside a synctest bubble.
type rig struct {
	*Meter
	t      *testing.T
	source *fakeSource
	sink   *fakeSink
	files  *vfs.Memory
	step   atomic.Int64 // nanoseconds the wall clock was set
	cancel context.CancelFunc
	result chan error
}

// start starts a meter; the fake clock stands at 2000-01-01 00:00:00 UTC plus offset.
func start(t *testing.T, offset time.Duration, change func(*Config)) *rig {
	t.Helper()
	return startWith(t, offset, change, nil)
}

// startWith is start with other dependencies.
func startWith(t *testing.T, offset time.Duration, change func(*Config), replace func(*rig, *Deps)) *rig {
	t.Helper()
	time.Sleep(offset)
	cfg := DefaultConfig()
	cfg.Interface, cfg.CheckpointDir = "eth0", "/state"
	if change != nil {
		change(&cfg)
	}
	r := &rig{t: t, source: newSource(), sink: &fakeSink{}, files: vfs.NewMemory(), result: make(chan error, 1)}
	deps := Deps{Source: r.source, Sink: r.sink, Files: r.files, Boot: [16]byte{1, 2, 3},
		Now: func() time.Time { return time.Now().Add(time.Duration(r.step.Load())) }}
	if replace != nil {
		replace(r, &deps)
	}
	var err error
	if r.Meter, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	ended := make(chan struct{})
	go func() {
		r.result <- r.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() { <-ended }) // its context is cancelled by then
	synctest.Wait()
	return r
}

// stop cancels the meter and returns what Run does.
func (r *rig) stop() error {
	r.cancel()
	return <-r.result
}

// check stops the meter and fails unless every interval accounts for its packets, all of them together for those
// that were pushed, sequences are complete and stamps never go back.
func (r *rig) check(pushed, alien int) []Block {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Fatal(err)
	}
	if !r.source.closed {
		r.t.Error("the source was not closed")
	}
	blocks := r.sink.stored()
	slices.SortFunc(blocks, func(a, b Block) int { return int(a.Interval.Sequence) - int(b.Interval.Sequence) })
	checkBlocks(r.t, blocks, pushed, alien)
	for i := 1; i < len(blocks); i++ {
		if blocks[i].Interval.End < blocks[i-1].Interval.End {
			r.t.Errorf("stamp %d follows %d", blocks[i].Interval.End, blocks[i-1].Interval.End)
		}
	}
	return blocks
}

func checkBlocks(t *testing.T, blocks []Block, pushed, alien int) {
	t.Helper()
	var total flow.Accounting
	for i, b := range blocks {
		a := b.Interval.Accounting
		issues, packets := uint64(0), uint64(0)
		for _, n := range a.Issues {
			issues += n
		}
		for _, r := range b.Records {
			packets += r.Counters.Packets()
		}
		if a.Received != a.Metered+issues || a.Metered != packets {
			t.Errorf("interval %d: %+v does not account for %d packets in rows", i, a, packets)
		}
		if b.Interval.Sequence != uint64(i+1) {
			t.Errorf("interval %d has sequence %d", i, b.Interval.Sequence)
		}
		total.Add(a)
	}
	if total.Metered != uint64(pushed) || total.Issues[flow.IssueNotIP] != uint64(alien) {
		t.Errorf("metered %d and not IP %d, pushed were %d and %d", total.Metered, total.Issues[flow.IssueNotIP], pushed, alien)
	}
}

// udp is the n-th frame of many: each has its own conversation with port 53.
func udp(n int) capture.Frame {
	b := make([]byte, 28)
	b[0], b[8], b[9] = 0x45, 64, byte(flow.UDP)
	binary.BigEndian.PutUint16(b[2:], 28)
	binary.BigEndian.PutUint32(b[12:], 0x0a000000+uint32(n))
	binary.BigEndian.PutUint32(b[16:], 0xc0000201)
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], 53)
	binary.BigEndian.PutUint16(b[24:], 8)
	return capture.Frame{Data: b, Length: 28, Link: packet.LinkRawIP, Sent: n%2 == 0}
}

func udps(from, to int) []capture.Frame {
	var frames []capture.Frame
	for n := from; n < to; n++ {
		frames = append(frames, udp(n))
	}
	return frames
}

// arp is a frame that is not IP.
func arp() capture.Frame {
	b := make([]byte, 42)
	b[12], b[13] = 0x08, 0x06
	return capture.Frame{Data: b, Length: 42, Link: packet.LinkEthernet}
}

// newYear is where the fake clock starts, Unix seconds.
const newYear = 946684800
