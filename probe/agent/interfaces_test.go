package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
)

func TestInterfaceVanishesAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("lo", "eth0")
		r := startRig(t, m, "eth0")
		defer r.close()
		first := m.source("eth0")
		first.push(3)
		r.wait(15 * time.Second)
		before := checkpoints(t, r)

		m.remove("eth0")
		r.wait(time.Minute)
		if s := r.Status().Statuses["eth0"]; s.Capturing || !strings.Contains(s.Reason, "no such interface any more") || s.ReceivedTotal != 3 || s.Flows != 0 {
			t.Errorf("while it is gone: %+v", s)
		}
		if !first.isClosed() || len(checkpoints(t, r)) != 1 { // the attempt to ask is still open
			t.Errorf("source closed %v, checkpoints %q", first.isClosed(), checkpoints(t, r))
		}

		m.add("eth0")
		r.wait(r.cfg.Capture.Rescan)
		m.source("eth0").push(2)
		r.wait(15 * time.Second)
		if s := r.Status().Statuses["eth0"]; !s.Capturing || s.Reason != "" || s.ReceivedTotal != 5 || s.Received != 2 {
			t.Errorf("after its return: %+v", s)
		}
		if after := checkpoints(t, r); len(before) != 1 || len(after) != 1 || before[0] == after[0] {
			t.Errorf("checkpoints of two runs: %q and %q", before, after)
		}
		r.stop()
		var seen []uint64
		stats, err := r.store.Scan(t.Context(), "eth0", 0, 1<<40, func(i flow.Interval, _ []flow.Record) error {
			seen = append(seen, i.Accounting.Metered)
			return nil
		})
		if diff := cmp.Diff([]uint64{3, 2}, seen); err != nil || stats.Corrupted != 0 || diff != "" {
			t.Errorf("stored intervals: %v, %+v\n%s", err, stats, diff)
		}
		r.cancel = nil
	})
}

func checkpoints(t *testing.T, r *rig) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(r.checkpointDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A start that fails leaves nothing open and nothing running.
func TestStartFaults(t *testing.T) {
	denied := errors.Join(capture.ErrNoPermission)
	for name, test := range map[string]struct {
		interfaces []string
		refused    error // of eth1
		want       error
	}{
		"a named interface is missing":   {[]string{"eth0", "eth9"}, nil, capture.ErrNoInterface},
		"a named interface is down":      {[]string{"eth*", "eth1"}, capture.ErrInterfaceDown, capture.ErrInterfaceDown},
		"no permission, found by a glob": {[]string{"eth*"}, denied, capture.ErrNoPermission},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine("lo", "eth0", "eth1")
				m.refuse("eth1", test.refused)
				r := newRig(t, m, "", func(c *Config) { c.Capture.Interfaces = test.interfaces })
				defer r.close()
				if err := r.Run(t.Context()); !errors.Is(err, test.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v, want one line with %v", err, test.want)
				}
				if s := m.source("eth0"); s != nil && !s.isClosed() {
					t.Error("eth0 was left open")
				}
				if n := len(r.Status().Statuses); n != 0 {
					t.Errorf("%d interfaces have a state", n)
				}
			})
		})
	}
}

func TestGlobMatchesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("lo", "eth0")
		r := startRig(t, m, "wan*", "eth0")
		defer r.close()
		if logged(r.log, "no interface matches yet") != 1 {
			t.Error("the log does not say that wan* matches nothing")
		}
		m.add("wan0")
		r.wait(r.cfg.Capture.Rescan)
		if !r.Status().Statuses["wan0"].Capturing {
			t.Error("wan0 came and is not captured")
		}
	})
}

// What any finds and cannot be captured is said once, shown in the status, and stands in nobody's way.
func TestInterfaceThatCannotBeCaptured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("docker0", "eth0", "lo")
		m.refuse("docker0", capture.ErrInterfaceDown)
		r := startRig(t, m, "any")
		defer r.close()
		r.wait(20 * r.cfg.Capture.Rescan)
		if n := logged(r.log, "not captured now"); n != 1 {
			t.Errorf("said %d times", n)
		}
		statuses := r.Status().Statuses
		if s := statuses["docker0"]; s.Capturing || !strings.Contains(s.Reason, "interface is down") {
			t.Errorf("docker0: %+v", s)
		}
		if !statuses["eth0"].Capturing || len(statuses) != 2 {
			t.Errorf("others: %+v", statuses)
		}
		if got := r.ask(true).Summary.Interfaces; !cmp.Equal(got, []string{"eth0"}) {
			t.Errorf("a query looked at %q", got)
		}
		m.refuse("docker0", nil)
		r.wait(r.cfg.Capture.Rescan)
		if s := r.Status().Statuses["docker0"]; !s.Capturing || s.Reason != "" {
			t.Errorf("docker0 after it came up: %+v", s)
		}
	})
}

// An interface whose capture ended because it was down may be renamed or deleted before it comes up: the status says so.
func TestInterfaceVanishesWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "wan7", "lo")
		r := startRig(t, m, "eth0", "wan*")
		defer r.close()
		for _, name := range []string{"eth0", "wan7"} {
			m.refuse(name, capture.ErrInterfaceDown)
			m.source(name).fail(fmt.Errorf("capture on %s: %w", name, capture.ErrInterfaceDown))
			r.wait(2 * r.cfg.Capture.Rescan)
			if s := r.Status().Statuses[name]; s.Capturing || !strings.Contains(s.Reason, "interface is down") {
				t.Errorf("%s while it is down: %+v", name, s)
			}
			m.remove(name)
			r.wait(2 * r.cfg.Capture.Rescan)
			if s := r.Status().Statuses[name]; s.Capturing || !strings.Contains(s.Reason, "no such interface any more") {
				t.Errorf("%s when it is gone: %+v", name, s)
			}
		}
	})
}

// Interfaces under ever new names are not collected for ever; those that the configuration names are, and so is
// what is stored.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "veth1")
		r := startRig(t, m, "eth0", "veth*")
		defer r.close()
		m.source("veth1").push(4)
		r.wait(time.Minute)
		m.remove("veth1")
		m.remove("eth0")
		r.wait(forgetAfter - time.Minute)
		if n := len(r.Status().Statuses); n != 2 {
			t.Errorf("%d interfaces have a state within the hour", n)
		}
		r.wait(2 * time.Minute)
		if s := r.Status().Statuses; len(s) != 1 || s["eth0"].Reason == "" {
			t.Errorf("after an hour: %+v", s)
		}
		if n := packets(r.ask(true)); n != 4 {
			t.Errorf("%d of 4 packets", n)
		}
		m.add("veth1")
		r.wait(r.cfg.Capture.Rescan)
		m.source("veth1").push(1)
		synctest.Wait()
		if n := packets(r.ask(true)); n != 5 {
			t.Errorf("%d of 5 packets", n)
		}
	})
}

// What the store does not take is an error of Run, not a silence.
func TestRunNamesWhatWasNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0")
		r := startRig(t, m, "eth0")
		m.source("eth0").push(1)
		synctest.Wait()
		if err := r.Close(); err != nil { // the store is gone under the meter
			t.Fatal(err)
		}
		r.cancel()
		if err := <-r.result; err == nil || !strings.Contains(err.Error(), "interface eth0: store the last 1 intervals") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newMachine("lo"), "", nil) // captures nothing, only answers
		defer r.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.Run(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("Run: %v, context: %v", err, ctx.Err())
		}
	})
}
