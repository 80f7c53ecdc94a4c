package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/vfs"
)

// leftIn takes up what a run has left, as the probe does when it starts.
func leftIn(t *testing.T, files vfs.FS) (left []checkpoint.Unfinished) {
	t.Helper()
	err := checkpoint.Recover(files, "/state", func(u checkpoint.Unfinished) error {
		left = append(left, u)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// outcomes adds up what became of attempts.
func outcomes(blocks []Block, left []checkpoint.Unfinished) (c flow.Counters) {
	for _, b := range blocks {
		for _, r := range b.Records {
			c.Add(r.Counters)
		}
	}
	for _, u := range left {
		for _, r := range u.Records {
			c.Add(r.Counters)
		}
	}
	return c
}

// end ends a run, by a kill or in an orderly way, and returns what the next one finds.
func end(t *testing.T, r *rig, killed bool) (files *vfs.Memory, stored []Block) {
	t.Helper()
	if killed { // what comes after it reaches neither disk nor store
		files, stored = r.files.Crash(nil), r.sink.stored()
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if !killed {
		files, stored = r.files.Crash(nil), r.sink.stored()
	}
	return files, stored
}

// TestOpenAttempts: an attempt that is open when the probe ends, in whatever way and whenever in an interval, is counted
// once, with the outcome it has after the restart.
func TestOpenAttempts(t *testing.T) {
	answer := func(f capture.Frame) func(*rig) { return func(r *rig) { r.source.push(f) } }
	const checkpointed = 11 * time.Second // after a checkpoint
	for name, test := range map[string]struct {
		first  []capture.Frame
		run    time.Duration // from the first frame to the end
		into   time.Duration // of the interval the first frame comes
		killed bool
		down   time.Duration
		then   func(*rig)
		want   flow.Counters
	}{
		"stop, answered":               {[]capture.Frame{syn()}, time.Second, 0, false, 2 * time.Second, answer(synAck()), flow.Counters{Attempts: 1, Accepts: 1}},
		"stop, refused":                {[]capture.Frame{syn()}, time.Second, 0, false, 2 * time.Second, answer(tcp(false, 0x14, 0, 1001)), flow.Counters{Attempts: 1, Rejects: 1}},
		"stop, unanswered":             {[]capture.Frame{syn()}, time.Second, 0, false, 2 * time.Second, nil, flow.Counters{Attempts: 1}},
		"stop, retransmitted":          {[]capture.Frame{syn()}, time.Second, 0, false, 2 * time.Second, answer(syn()), flow.Counters{Attempts: 1}},
		"stop, answered long before":   {[]capture.Frame{syn(), synAck(), ack()}, time.Second, 0, false, 2 * time.Second, answer(ack()), flow.Counters{Attempts: 1, Accepts: 1}},
		"stop, accepted and no ACK":    {[]capture.Frame{syn(), synAck()}, time.Second, 0, false, 2 * time.Second, answer(ack()), flow.Counters{Attempts: 1, Accepts: 1}},
		"kill, answered":               {[]capture.Frame{syn()}, checkpointed, 0, true, time.Second, answer(synAck()), flow.Counters{Attempts: 1, Accepts: 1}},
		"kill, unanswered":             {[]capture.Frame{syn()}, checkpointed, 0, true, time.Second, nil, flow.Counters{Attempts: 1}},
		"kill, booked before":          {[]capture.Frame{syn(), synAck(), ack()}, checkpointed, 0, true, time.Second, answer(ack()), flow.Counters{Attempts: 1, Accepts: 1}},
		"kill after rotation":          {[]capture.Frame{syn()}, 3 * time.Second, 298 * time.Second, true, time.Second, answer(synAck()), flow.Counters{Attempts: 1, Accepts: 1}},
		"kill, checkpoint, rotation":   {[]capture.Frame{syn()}, 14 * time.Second, 288 * time.Second, true, time.Second, answer(synAck()), flow.Counters{Attempts: 1, Accepts: 1}},
		"kill, unanswered and stored":  {[]capture.Frame{syn()}, 20 * time.Second, 283 * time.Second, true, time.Second, nil, flow.Counters{Attempts: 1}},
		"UDP, kill, answered":          {[]capture.Frame{keyExchange(false)}, checkpointed, 0, true, time.Second, answer(keyExchange(true)), flow.Counters{Attempts: 1, Accepts: 1}},
		"down for longer than memory":  {[]capture.Frame{syn()}, time.Second, 0, false, time.Hour, nil, flow.Counters{}},
		"down for longer than timeout": {[]capture.Frame{syn()}, time.Second, 0, false, time.Minute, answer(synAck()), flow.Counters{Attempts: 1, Accepts: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := start(t, time.Millisecond, nil)
				time.Sleep(test.into)
				first.source.push(test.first...)
				time.Sleep(test.run)
				synctest.Wait()
				files, stored := end(t, first, test.killed)
				left := leftIn(t, files)
				second := startWith(t, test.down, nil, func(r *rig, d *Deps) { r.files, d.Files, d.Left = files, files, left })
				if test.then != nil {
					test.then(second)
				}
				time.Sleep(20 * time.Second)
				if err := second.stop(); err != nil {
					t.Fatal(err)
				}
				got := outcomes(append(stored, second.sink.stored()...), left)
				got = flow.Counters{Attempts: got.Attempts, Accepts: got.Accepts, Rejects: got.Rejects, RoundTrips: got.RoundTrips}
				if got.RoundTrips > 0 && len(test.first) < 3 {
					t.Error("a round trip was measured over a restart")
				}
				if got.RoundTrips = 0; got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
			})
		})
	}
}

// TestLeftTwice: the second restart finds what the first one found, and counts it once.
func TestLeftTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Millisecond, nil)
		r.source.push(syn())
		var stored []Block
		var left []checkpoint.Unfinished
		for range 3 {
			time.Sleep(time.Second)
			synctest.Wait()
			files, more := end(t, r, len(left) > 0)
			stored, left = append(stored, more...), leftIn(t, files)
			if len(left) != 1 || len(left[0].Open) == 0 || !left[0].IsEmpty() {
				t.Fatalf("left is %+v", left)
			}
			r = startWith(t, time.Second, nil, func(r *rig, d *Deps) { r.files, d.Files, d.Left = files, files, left })
		}
		r.source.push(synAck())
		time.Sleep(time.Second)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if got := outcomes(append(stored, r.sink.stored()...), nil); got.Attempts != 1 || got.Accepts != 1 {
			t.Errorf("got %+v", got)
		}
	})
}
