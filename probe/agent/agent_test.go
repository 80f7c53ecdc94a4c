package agent

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// A probe that is killed loses what came after its last checkpoint and nothing else; what it left is stored once.
func TestKillAndRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0")
		r := startRig(t, m, "eth0")
		defer r.close()
		m.source("eth0").push(5)
		r.wait(5*time.Minute + time.Second) // stored
		m.source("eth0").push(3)
		r.wait(r.cfg.Meter.Checkpoint) // in a checkpoint
		m.source("eth0").push(2)
		synctest.Wait() // in memory

		dead := t.TempDir()
		if err := os.CopyFS(dead, os.DirFS(r.cfg.Store.Path)); err != nil { // as a kill leaves it
			t.Fatal(err)
		}
		again := newRig(t, newMachine(), dead, nil)
		defer again.close()
		if n := packets(again.ask(false)); n != 8 {
			t.Errorf("%d packets after the kill, want 5 stored and 3 of the checkpoint", n)
		}
		if logged(again.log, "recovered an unfinished interval") != 1 {
			t.Error("the log does not tell of the recovery")
		}
		if left := checkpoints(t, again); len(left) != 0 {
			t.Errorf("still there: %q", left)
		}
		if again.hostID != r.hostID {
			t.Errorf("host id %s became %s", r.hostID, again.hostID)
		}
	})
}

// A kill between storing an interval and removing its checkpoint does not count it twice.
func TestRecoverIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0")
		r := startRig(t, m, "eth0")
		defer r.close()
		m.source("eth0").push(3)
		r.wait(r.cfg.Meter.Checkpoint + time.Second)
		saved := t.TempDir()
		if err := os.CopyFS(saved, os.DirFS(r.checkpointDir())); err != nil {
			t.Fatal(err)
		}
		r.stop() // all of it is stored
		r.cancel = nil
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(r.checkpointDir(), os.DirFS(saved)); err != nil {
			t.Fatal(err)
		}
		again := newRig(t, newMachine(), r.cfg.Store.Path, nil)
		defer again.close()
		if n := packets(again.ask(false)); n != 3 {
			t.Errorf("%d of 3 packets", n)
		}
		if left := checkpoints(t, again); len(left) != 0 {
			t.Errorf("still there: %q", left)
		}
	})
}

// A checkpoint that cannot be read stays where it is, is named, and keeps the probe from nothing.
func TestDamagedCheckpoint(t *testing.T) {
	dir := t.TempDir()
	newRig(t, newMachine(), dir, nil).close()
	path := filepath.Join(dir, "checkpoint", "eth0.0000000000000001.0000000000000001.checkpoint")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte("no checkpoint"), 0o640)); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, newMachine(), dir, nil)
	defer r.close()
	if logged(r.log, path) != 1 {
		t.Error("the log does not name the file")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("it is gone: %v", err)
	}
}

func TestOneWriter(t *testing.T) {
	r := newRig(t, newMachine(), "", nil)
	defer r.close()
	_, err := New(r.cfg, Deps{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	var locked *vfs.LockedError
	if !errors.As(err, &locked) {
		t.Errorf("a second probe over the same store: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	r := newRig(t, newMachine(), "", func(c *Config) { c.Host.Name, c.Host.ID = "", "given" })
	defer r.close()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if r.host != name || r.hostID != "given" {
		t.Errorf("host %q, id %q", r.host, r.hostID)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"capture.rescan is 0s":          func(c *Config) { c.Capture.Rescan = 0 },
		"capture.interfaces: ":          func(c *Config) { c.Capture.Interfaces = []string{"/(/"} },
		"excluded interfaces: ":         func(c *Config) { c.Capture.Exclude = []string{""} },
		"meter: interval is 1ms":        func(c *Config) { c.Meter.Interval = time.Millisecond },
		"meter: checkpoint_rate is 0: ": func(c *Config) { c.Meter.CheckpointRate = 0 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := New(cfg, Deps{}); err == nil {
			t.Errorf("%q: New takes it", want)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
}
