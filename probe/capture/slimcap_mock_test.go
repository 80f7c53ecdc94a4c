//go:build linux && !slimcap_nomock

package capture

import (
	"errors"
	"testing"

	slimcap "github.com/fako1024/slimcap/capture"
	"github.com/fako1024/slimcap/capture/afpacket/afring"
	"github.com/fako1024/slimcap/filter"

	"github.com/weirflow/weir/probe/packet"
)

func TestSlimcapOverMock(t *testing.T) {
	mock, err := afring.NewMockSource("mock", afring.CaptureLength(filter.CaptureLengthFixed(64)), afring.BufferSize(1<<16, 4))
	if err != nil {
		t.Fatal(err)
	}
	const count = 100
	for i := range count {
		kind := slimcap.PacketThisHost
		if i%3 == 0 {
			kind = slimcap.PacketOutgoing
		}
		if err := mock.AddPacket(slimcap.NewIPPacket(nil, ramp(60, byte(i)), kind, 1000+i, 14)); err != nil {
			t.Fatal(err)
		}
	}
	mock.FinalizeBlock(false)
	done := mock.Run()
	source := NewSlimcap(mock, "mock", packet.LinkEthernet)
	frames := make([]Frame, 8)
	for i := range count {
		n, err := source.Read(frames)
		if n != 1 || err != nil {
			t.Fatalf("frame %d: %d, %v", i, n, err)
		}
		f := frames[0]
		if f.Sent != (i%3 == 0) || f.Length != uint32(1000+i) || len(f.Data) != 60 || f.Data[0] != byte(i) || f.Link != packet.LinkEthernet || f.Time != 0 {
			t.Fatalf("frame %d: %+v", i, f)
		}
	}
	if n, err := source.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	for range 2 { // cumulative, though slimcap starts anew
		if stats, err := source.Stats(); err != nil || stats != (Stats{Received: count}) {
			t.Errorf("%+v, %v", stats, err)
		}
	}
	source.Wake()
	source.Wake() // taken as one
	if n, err := source.Read(frames); n != 0 || err != nil {
		t.Errorf("woken: %d, %v", n, err)
	}
	mock.Done()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// countingSource gives statistics as a kernel that drops does, and errors on demand.
type countingSource struct {
	slimcap.SourceZeroCopy
	stats  []slimcap.Stats
	err    error
	closed int
}

func (c *countingSource) Stats() (slimcap.Stats, error) {
	if len(c.stats) == 0 {
		return slimcap.Stats{}, errors.New("no statistics")
	}
	s := c.stats[0]
	c.stats = c.stats[1:]
	return s, nil
}

func (c *countingSource) Close() error { c.closed++; return nil }

func (c *countingSource) NextPayloadZeroCopy() ([]byte, slimcap.PacketType, uint32, error) {
	return nil, slimcap.PacketUnknown, 0, c.err
}

func TestSlimcapStatsWithoutDrops(t *testing.T) {
	counting := &countingSource{stats: []slimcap.Stats{{PacketsReceived: 10, PacketsDropped: 3}, {}, {PacketsReceived: 5}, {PacketsReceived: 2, PacketsDropped: 2}}}
	source := NewSlimcap(counting, "mock", packet.LinkEthernet)
	for i, want := range []Stats{{Received: 7, Dropped: 3}, {Received: 7, Dropped: 3}, {Received: 12, Dropped: 3}} {
		if got, err := source.Stats(); err != nil || got != want {
			t.Errorf("%d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	for range 2 {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
	if got, err := source.Stats(); err != nil || got != (Stats{Received: 12, Dropped: 5}) || counting.closed != 1 {
		t.Errorf("after close: %+v, %v, closed %d times", got, err, counting.closed)
	}
	source.Wake()
	if _, err := source.Read(make([]Frame, 1)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestSlimcapCountsWhatItHandsOver: what was in the ring when slimcap started the kernel's counters anew was received, too.
func TestSlimcapCountsWhatItHandsOver(t *testing.T) {
	counting := &countingSource{stats: []slimcap.Stats{{PacketsReceived: 2}, {PacketsReceived: 3, PacketsDropped: 1}, {}, {}}}
	source := NewSlimcap(counting, "mock", packet.LinkEthernet)
	for i, want := range []Stats{{Received: 3}, {Received: 4, Dropped: 1}, {Received: 5, Dropped: 1}} {
		for range []int{3, 0, 2}[i] {
			if n, err := source.Read(make([]Frame, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if got, err := source.Stats(); err != nil || got != want {
			t.Errorf("%d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if got, err := source.Stats(); err != nil || got != (Stats{Received: 5, Dropped: 1}) {
		t.Errorf("after close: %+v, %v", got, err)
	}
}

func TestSlimcapErrorsAreFinal(t *testing.T) {
	counting := &countingSource{err: slimcap.ErrCaptureUnblocked}
	source := NewSlimcap(counting, "weir-none0", packet.LinkEthernet)
	frames := make([]Frame, 1)
	if n, err := source.Read(frames); n != 0 || err != nil {
		t.Error(n, err)
	}
	counting.err = errors.New("broken")
	for range 2 {
		if _, err := source.Read(frames); !errors.Is(err, ErrNoInterface) {
			t.Error(err)
		}
		counting.err = nil
	}
	counting.err = slimcap.ErrCaptureStopped
	if _, err := NewSlimcap(counting, "lo", packet.LinkEthernet).Read(frames); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := source.Stats(); err == nil {
		t.Error("no error from statistics")
	}
}
