package meter

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/vfs"
)

// TestEverythingAtOnce meters at full speed in real time while others look at it, the sink fails once and the
// clock runs a thousand times too fast, for some intervals; in the end every packet is in the sink, once.
func TestEverythingAtOnce(t *testing.T) {
	began := time.Now()
	sink := &fakeSink{}
	failed := false
	sink.err = func(interval flow.Interval) error {
		if interval.Sequence == 3 && !failed {
			failed = true
			return errFull
		}
		return nil
	}
	cfg := DefaultConfig()
	cfg.Interface, cfg.CheckpointDir, cfg.Interval = "eth0", "/state", 10*time.Second
	files := vfs.NewMemory()
	m, err := New(cfg, Deps{Source: capture.NewReplay(udps(0, 3000), -1), Sink: sink, Files: files,
		// A slow machine has no more intervals to store than others, within the time that there is for it at the end.
		Now: func() time.Time { return began.Add(min(1000*time.Since(began), 30*cfg.Interval)) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				if interval, records, err := m.Live(ctx); err == nil {
					checkLive(t, interval, records)
					// For half a second, longer on a machine that stood still.
					if time.Since(began) > 500*time.Millisecond && interval.Sequence > 5 {
						cancel()
					}
				} else if ctx.Err() == nil && !errors.Is(err, ErrStopped) {
					t.Error(err)
				}
				if _, err := m.Unstored(ctx, "eth0"); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				m.Status()
			}
		})
	}
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	others.Wait()
	blocks := sink.stored()
	var total flow.Accounting
	for _, b := range blocks {
		checkLive(t, b.Interval, b.Records)
		total.Add(b.Interval.Accounting)
	}
	if want := m.Status().Total; total != want || total.Received == 0 || len(blocks) < 5 {
		t.Errorf("%d intervals hold %+v, metered were %+v", len(blocks), total, want)
	}
	if err := checkpoint.Recover(files, "/state", func(u checkpoint.Unfinished) error {
		if !u.IsEmpty() { // but for attempts that are open
			t.Errorf("the checkpoint of interval %d was left", u.Interval.Sequence)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func checkLive(t *testing.T, interval flow.Interval, records []flow.Record) {
	t.Helper()
	var packets uint64
	for _, r := range records {
		packets += r.Counters.Packets()
	}
	if packets != interval.Accounting.Metered || interval.Accounting.Received != packets {
		t.Errorf("interval %d: %d packets in rows, %+v", interval.Sequence, packets, interval.Accounting)
	}
}
