package meter

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
)

var errFull = errors.New("disk is full")

// TestSinkRecovers: what the sink does not take waits, and is stored once, whole, when it takes it again.
func TestSinkRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.sink.failWith(errFull)
		for range 4 {
			r.source.push(udps(0, 10)...)
			time.Sleep(5 * time.Minute)
		}
		status := r.Status()
		if status.Waiting < 3 || status.SinkError != errFull.Error() || status.Stored != 0 || status.SinkFailures < 10 || status.SinkFailures > 60 {
			t.Errorf("status %+v", status)
		}
		r.sink.failWith(nil)
		time.Sleep(lastRetry + time.Second)
		status = r.Status()
		if status.Waiting != 0 || status.SinkError != "" || status.Stored != 4 {
			t.Errorf("status %+v", status)
		}
		want := []string{"300 5m0s 10", "600 5m0s 10", "900 5m0s 10", "1200 5m0s 10", "1261 1m1s 0"}
		if diff := cmp.Diff(want, stamps(r.check(40, 0))); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOneIsRefused: an interval the sink never takes does not hold up the others.
func TestOneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.sink.err = func(interval flow.Interval) error {
			if interval.Sequence == 2 {
				return errors.New("does not like it")
			}
			return nil
		}
		for range 5 {
			r.source.push(udps(0, 10)...)
			time.Sleep(5 * time.Minute)
		}
		time.Sleep(2 * lastRetry)
		if status := r.Status(); status.Stored != 4 || status.Waiting != 1 {
			t.Errorf("stored %d, waiting %d", status.Stored, status.Waiting)
		}
		if err := r.stop(); err == nil || !strings.Contains(err.Error(), "last 1 intervals of eth0: does not like it") {
			t.Errorf("got %v", err)
		}
	})
}

// TestBoundedMemory: beyond the bound the oldest intervals keep their sums and lose their addresses, visibly.
func TestBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, func(c *Config) { c.WaitingRows = 25 })
		r.sink.failWith(errFull)
		for range 6 {
			r.source.push(udps(0, 10)...)
			time.Sleep(5 * time.Minute)
		}
		time.Sleep(time.Second)
		if got := r.Status(); got.Condensed != 4 || got.Waiting != 6 {
			t.Errorf("condensed %d of %d", got.Condensed, got.Waiting)
		}
		r.sink.failWith(nil)
		time.Sleep(lastRetry)
		blocks := r.check(60, 0)
		var rows []int
		for _, b := range blocks {
			rows = append(rows, len(b.Records))
		}
		if diff := cmp.Diff([]int{1, 1, 1, 1, 10, 10, 0}, rows); diff != "" {
			t.Error(diff)
		}
		want := []flow.Record{{Key: flow.Key{Family: flow.IPv4, Protocol: flow.UDP}, Counters: flow.Counters{
			BytesSent: 140, PacketsSent: 5, BytesReceived: 140, PacketsReceived: 5, Attempts: 10}}}
		if diff := cmp.Diff(want, blocks[0].Records); diff != "" {
			t.Error(diff)
		}
	})
}

// TestSinkFailsAtEnd: Run gives the sink some time, then says what is not stored; the checkpoint is left.
func TestSinkFailsAtEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.sink.failWith(errFull)
		r.source.push(udps(0, 10)...)
		time.Sleep(30*time.Second + time.Millisecond)
		before := time.Now()
		err := r.stop()
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "last 1 intervals of eth0") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(before); took != drainTime+lastGrace {
			t.Errorf("took %v", took)
		}
		unfinished := recovered(t, r)
		if len(unfinished) != 1 || unfinished[0].Interval.End != newYear+31 || len(unfinished[0].Records) != 10 {
			t.Errorf("recovered %+v", unfinished)
		}
	})
}

// TestSinkRecoversAtEnd: within the time it is given at the end, the sink is tried again at once.
func TestSinkRecoversAtEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.sink.failWith(errFull)
		r.source.push(udps(0, 10)...)
		time.Sleep(11 * time.Minute)
		r.cancel()
		time.Sleep(2 * time.Second)
		r.sink.failWith(nil)
		r.check(10, 0)
	})
}

// TestManyWaitAtTheEnd: a sink that is slow, but does not fail, gets all that waits when the meter is told to stop.
func TestManyWaitAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0, nil)
		r.sink.failWith(errFull)
		for i := range 6 {
			r.source.push(udp(i))
			time.Sleep(5 * time.Minute)
		}
		r.sink.mu.Lock()
		r.sink.err = func(flow.Interval) error { time.Sleep(lastGrace / 2); return nil }
		r.sink.mu.Unlock()
		if blocks := r.check(6, 0); len(blocks) < 6 {
			t.Errorf("%d intervals are stored", len(blocks))
		}
	})
}
