package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
)

// stamps says "end relative to the new year, covered, packets" of each block.
func stamps(blocks []Block) []string {
	var lines []string
	for _, b := range blocks {
		lines = append(lines, fmt.Sprint(b.Interval.End-newYear, " ", b.Interval.Duration, " ", b.Interval.Accounting.Received))
	}
	return lines
}

func TestIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 100*time.Second, nil)
		r.source.push(udps(0, 1000)...)
		r.source.push(arp())
		time.Sleep(5 * time.Minute)
		r.source.push(udps(0, 10)...)
		time.Sleep(10 * time.Minute)
		r.source.push(udps(0, 3)...)
		time.Sleep(1500 * time.Millisecond)
		blocks := r.check(1013, 1)
		want := []string{"300 3m20s 1001", "600 5m0s 10", "900 5m0s 0", "1002 1m41.5s 3"}
		if diff := cmp.Diff(want, stamps(blocks)); diff != "" {
			t.Error(diff)
		}
		if got := blocks[0].Interval.Boot; got != [16]byte{1, 2, 3} {
			t.Errorf("boot %v", got)
		}
		first := blocks[1].Records[0]
		if first.Key.DestinationPort != 53 || first.Counters != (flow.Counters{BytesSent: 28, PacketsSent: 1}) {
			t.Errorf("first row is %+v", first)
		}
	})
}

// TestBorder: what is read once the interval is over belongs to the next one.
func TestBorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		time.Sleep(5*time.Minute - time.Millisecond)
		r.source.push(udps(0, 2)...)
		time.Sleep(time.Millisecond)
		r.source.push(udps(0, 5)...)
		want := []string{"300 5m0s 2", "300 0s 5"}
		if diff := cmp.Diff(want, stamps(r.check(7, 0))); diff != "" {
			t.Error(diff)
		}
	})
}

// TestDrainAtEnd: what is in the ring when the meter is told to stop is metered.
func TestDrainAtEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		time.Sleep(2500 * time.Millisecond)
		r.source.limit = 3
		r.source.mu.Lock()
		r.source.frames = udps(0, 100)
		r.source.mu.Unlock()
		want := []string{"3 2.5s 100"}
		if diff := cmp.Diff(want, stamps(r.check(100, 0))); diff != "" {
			t.Error(diff)
		}
	})
}

// heldUp is a source whose reader is kept from running, once.
type heldUp struct {
	*fakeSource
	hold atomic.Bool
}

func (s *heldUp) Read(frames []capture.Frame) (int, error) {
	if s.hold.CompareAndSwap(true, false) {
		time.Sleep(2 * drainTime)
	}
	return s.fakeSource.Read(frames)
}

// TestDrainWhenHeldUp: what is in the ring when the meter is told to stop is metered by a loop, too, that is kept from
// running meanwhile, and what comes later does not keep it.
func TestDrainWhenHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held *heldUp
		r := startWith(t, 0, nil, func(r *rig, d *Deps) {
			held = &heldUp{fakeSource: r.source}
			d.Source = held
		})
		time.Sleep(time.Second)
		frames := udps(0, 60)
		for i := range frames {
			frames[i].Time = time.Now().UnixNano()
			if i >= 10 { // after the stop
				frames[i].Time += int64(time.Millisecond)
			}
		}
		r.source.mu.Lock() // the loop waits, and is not told
		r.source.frames, r.source.limit = frames, 1
		r.source.mu.Unlock()
		held.hold.Store(true)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		blocks := r.sink.stored()
		if len(blocks) != 1 || blocks[0].Interval.Accounting.Metered < 10 || blocks[0].Interval.Accounting.Metered > 12 {
			t.Errorf("10 packets came before the stop, others after it: %+v", blocks)
		}
	})
}

func TestSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.source.push(udps(0, 100)...)
		time.Sleep(time.Second)
		gone := errors.New("interface is gone")
		r.source.fail(gone)
		if err := <-r.result; !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		checkBlocks(t, r.sink.stored(), 100, 0)
		if r.Status().Running {
			t.Error("a meter that has ended says that it runs")
		}
		r.cancel()
	})
}

func TestEndOfSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.source.push(udps(0, 100)...)
		r.source.fail(io.EOF)
		if err := <-r.result; err != nil {
			t.Error(err)
		}
		checkBlocks(t, r.sink.stored(), 100, 0)
		r.cancel()
	})
}

// TestClockSteps sets the wall clock under a working meter that gets a packet every ten seconds.
func TestClockSteps(t *testing.T) {
	for name, test := range map[string]struct {
		step time.Duration
		want []string
	}{
		"forwards": {time.Hour, []string{"300 2m10s 12", "3900 2m50s 17", "4200 5m0s 30", "4202 0s 1"}},
		"back":     {-33 * time.Minute, []string{"300 5m30s 32", "300 2m30s 15", "300 2m0s 13"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, time.Millisecond, nil)
				for i := range 60 {
					time.Sleep(10 * time.Second)
					if i == 12 {
						r.step.Store(int64(test.step))
					}
					r.source.push(udp(i))
					synctest.Wait()
				}
				time.Sleep(time.Second)
				blocks := r.check(60, 0)
				for i := range blocks {
					blocks[i].Interval.Duration = blocks[i].Interval.Duration.Round(10 * time.Second)
				}
				if diff := cmp.Diff(test.want, stamps(blocks)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 100*time.Second, nil)
		r.source.push(udps(0, 10)...)
		time.Sleep(20 * time.Second)
		for range 3 { // looking changes nothing
			interval, records, err := r.Live(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if interval.End != newYear+300 || interval.Duration != 20*time.Second || interval.Accounting.Metered != 10 || len(records) != 10 {
				t.Fatalf("got %+v and %d rows", interval, len(records))
			}
		}
		r.check(10, 0)
		if _, _, err := r.Live(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestLiveGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Interface = "eth0"
		m, err := New(cfg, Deps{Source: newSource(), Sink: &fakeSink{}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := m.Live(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a meter that does not run answered %v", err)
		}
	})
}

// TestUnstored: what ended and is not stored is shown together with the current interval.
func TestUnstored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.sink.failWith(errors.New("disk is full"))
		for range 2 {
			r.source.push(udps(0, 5)...)
			time.Sleep(5 * time.Minute)
		}
		r.source.push(udps(0, 7)...)
		time.Sleep(time.Second)
		blocks, err := r.Unstored(t.Context(), "eth0")
		if err != nil {
			t.Fatal(err)
		}
		checkBlocks(t, blocks, 17, 0)
		if diff := cmp.Diff([]string{"300 5m0s 5", "600 5m0s 5", "900 1s 7"}, stamps(blocks)); diff != "" {
			t.Error(diff)
		}
		r.sink.failWith(nil)
		time.Sleep(time.Minute)
		if blocks, err = r.Unstored(t.Context(), "eth0"); err != nil || len(blocks) != 1 {
			t.Errorf("%d blocks, %v", len(blocks), err)
		}
		r.check(17, 0)
		if blocks, err = r.Unstored(t.Context(), "eth0"); err != nil || len(blocks) != 0 {
			t.Errorf("after the end: %d blocks, %v", len(blocks), err)
		}
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		started := time.Now()
		r.source.push(udps(0, 5)...)
		time.Sleep(5*time.Minute + time.Second)
		r.source.mu.Lock()
		r.source.dropped = 9
		r.source.mu.Unlock()
		r.source.push(udps(5, 8)...)
		r.source.push(arp())
		time.Sleep(2 * time.Second)
		r.source.push(udp(9))
		synctest.Wait()
		want := Status{Interface: "eth0", Started: started, Running: true, Flows: 9, Stored: 1,
			LastWrite: started.Add(5 * time.Minute)}
		want.RingFill = -1
		want.Total = flow.Accounting{Received: 10, Metered: 9, Dropped: 9}
		want.Total.Issues[flow.IssueNotIP] = 1
		want.Current = want.Total.Since(flow.Accounting{Received: 5, Metered: 5})
		for range 2 {
			got := r.Status()
			if got.Memory == 0 {
				t.Error("the flow table takes no memory")
			}
			got.Checkpoint, got.Memory = CheckpointStatus{}, 0
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		blocks := r.check(9, 1)
		if got := blocks[1].Interval.Accounting.Dropped; got != 9 {
			t.Errorf("second interval has %d drops", got)
		}
	})
}

// TestReadingGoesOn: while the rows of a large table are collected, frames are read and count for the new interval.
func TestReadingGoesOn(t *testing.T) {
	const n = 40000
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.source.push(udps(0, n)...)
		time.Sleep(5*time.Minute + stepPause/2)
		synctest.Wait()
		if got := r.Status(); got.Waiting+int(got.Stored) != 0 || got.Current.Received != 0 {
			t.Fatalf("the rows should be under way by now: %+v", got)
		}
		r.source.mu.Lock()
		r.source.limit = 100
		r.source.mu.Unlock()
		r.source.push(udps(n/2, n/2+n/4)...) // known conversations and no time for them to pass
		synctest.Wait()
		if got := r.Status().Current.Received; got != n/4 {
			t.Errorf("%d frames were read meanwhile, want %d", got, n/4)
		}
		time.Sleep(time.Second)
		blocks := r.check(n+n/4, 0)
		if blocks[0].Interval.Accounting.Metered != n || blocks[1].Interval.Accounting.Metered != n/4 {
			t.Error(stamps(blocks))
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := DefaultConfig()
	good.Interface = "eth0"
	deps := Deps{Source: newSource(), Sink: &fakeSink{}}
	if _, err := New(good, deps); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config, *Deps){
		"interval":        func(c *Config, _ *Deps) { c.Interval = 1500 * time.Millisecond },
		"checkpoint is":   func(c *Config, _ *Deps) { c.Checkpoint = time.Millisecond },
		"checkpoint_rate": func(c *Config, _ *Deps) { c.CheckpointRate = 0 },
		"waiting_rows":    func(c *Config, _ *Deps) { c.WaitingRows = -1 },
		"memory":          func(c *Config, _ *Deps) { c.Table.Memory = 0 },
		"interface":       func(c *Config, _ *Deps) { c.Interface = "" },
		"source":          func(_ *Config, d *Deps) { d.Source = nil },
		"sink":            func(_ *Config, d *Deps) { d.Sink = nil },
	} {
		cfg, d := good, deps
		change(&cfg, &d)
		if _, err := New(cfg, d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context()); err == nil {
			t.Error("ran twice")
		}
	})
}
