package meter

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
	"github.com/weirflow/weir/probe/vfs"
)

// recovered is what the next start of the probe finds if power is lost now.
func recovered(t *testing.T, r *rig) []checkpoint.Unfinished {
	t.Helper()
	var all []checkpoint.Unfinished
	if err := checkpoint.Recover(r.files.Crash(nil), r.cfg.CheckpointDir, func(u checkpoint.Unfinished) error {
		all = append(all, u)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestKill: of what was seen until 29.9 seconds into an interval, what is from before the last checkpoint is there.
func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Millisecond, nil)
		r.source.push(udps(0, 10)...)
		time.Sleep(15 * time.Second)
		r.source.push(udps(5, 30)...)
		r.source.push(arp())
		time.Sleep(14900 * time.Millisecond)
		r.source.push(udps(100, 110)...)
		synctest.Wait()
		got := recovered(t, r)
		if len(got) != 1 || got[0].Interface != "eth0" || got[0].Torn {
			t.Fatalf("recovered %+v", got)
		}
		want := flow.Interval{End: newYear + 21, Duration: 20 * time.Second, Boot: [16]byte{1, 2, 3}, Sequence: 1,
			Accounting: flow.Accounting{Received: 36, Metered: 35}}
		want.Accounting.Issues[flow.IssueNotIP] = 1
		if diff := cmp.Diff(want, got[0].Interval); diff != "" {
			t.Error(diff)
		}
		if len(got[0].Records) != 30 || !slices.IsSortedFunc(got[0].Records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) }) {
			t.Errorf("%d records", len(got[0].Records))
		}
	})
}

// TestCheckpointsEnd: a stored interval has no checkpoint, one that waits keeps it, with its stamp.
func TestCheckpointsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		for range 2 {
			r.source.push(udps(0, 10)...)
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			r.sink.failWith(errFull)
		}
		time.Sleep(5 * time.Second)
		entries, err := r.files.ReadDir("/state")
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d files, %v", len(entries), err)
		}
		if status := r.Status().Checkpoint; status.Period != 10*time.Second || status.Bytes == 0 || status.Error != "" || status.Last.IsZero() {
			t.Errorf("status %+v", status)
		}
		got := recovered(t, r)
		if len(got) != 1 || got[0].Interval.End != newYear+600 || got[0].Interval.Duration != 5*time.Minute || got[0].Interval.Sequence != 2 {
			t.Errorf("recovered %+v", got)
		}
		r.sink.failWith(nil)
		r.check(20, 0)
	})
}

// TestCheckpointRate: where checkpoints would write more than they may, they come less often, and Status says so.
func TestCheckpointRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, func(c *Config) { c.CheckpointRate = 1024 })
		for range 290 {
			r.source.push(udps(0, 5000)...)
			time.Sleep(time.Second)
		}
		status := r.Status().Checkpoint
		if status.Period <= 20*time.Second {
			t.Errorf("period %v", status.Period)
		}
		if written := status.Bytes; written > 290*1024+64<<10 {
			t.Errorf("%d bytes in 290 seconds", written)
		}
		r.check(290*5000, 0)
	})
}

// TestCheckpointFails: a failed checkpoint is reported, costs nothing else, and the next one holds everything.
func TestCheckpointFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var faulty *vfs.Faulty
		r := startWith(t, 0, nil, func(r *rig, d *Deps) {
			faulty = vfs.NewFaulty(r.files)
			d.Files = faulty
		})
		r.source.push(udps(0, 10)...)
		time.Sleep(15 * time.Second)
		faulty.LimitSpace(0)
		r.source.push(udps(10, 20)...)
		time.Sleep(10 * time.Second)
		if status := r.Status().Checkpoint; status.Failures != 1 || status.Error == "" {
			t.Errorf("status %+v", status)
		}
		faulty.UnlimitSpace()
		time.Sleep(10 * time.Second)
		if status := r.Status().Checkpoint; status.Failures != 1 || status.Error != "" {
			t.Errorf("status %+v", status)
		}
		got := recovered(t, r)
		if len(got) != 1 || len(got[0].Records) != 20 {
			t.Errorf("recovered %+v", got)
		}
		r.check(20, 0)
	})
}

// TestNoCheckpoint: without them nothing is written but the intervals.
func TestNoCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, func(c *Config) { c.Checkpoint = 0; c.Table = table.DefaultConfig() })
		r.source.push(udps(0, 10)...)
		time.Sleep(time.Minute)
		if r.files.Operations() != 0 {
			t.Errorf("%d file operations", r.files.Operations())
		}
		r.check(10, 0)
	})
}
