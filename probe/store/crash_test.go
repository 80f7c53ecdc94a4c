package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/probe/vfs"
)

// crashScript opens a store and appends; it returns what was acknowledged. It covers a new store, new interfaces,
// a new day, late data, and reopening.
func crashScript(files vfs.FS) (acknowledged map[string][]visited, attempted int) {
	acknowledged = map[string][]visited{}
	r := rand.New(rand.NewPCG(7, 8))
	midnight := noon + 12*3600
	for boot := range byte(2) {
		s, err := Open(Config{Path: "/data/db"}, Deps{FS: files, Logger: quiet})
		if err != nil {
			return acknowledged, attempted
		}
		for i, end := range []int64{midnight - 300, midnight, midnight + 300, midnight - 600} {
			for _, iface := range []string{"eth0", "eth1"} {
				b := visited{interval(end, uint64(i)), randomRecords(r, 5)}
				b.Interval.Boot[15] = boot
				attempted++
				if s.Append(context.Background(), iface, b.Interval, b.Records) == nil {
					acknowledged[iface] = append(acknowledged[iface], b)
				}
			}
		}
		_ = s.Close()
	}
	return acknowledged, attempted
}

// TestCrashAtEveryOperation stops the machine at every operation that changes something, loses power, and checks
// that the store opens, holds all that was acknowledged once, takes what was not again, and nothing else.
func TestCrashAtEveryOperation(t *testing.T) {
	whole := vfs.NewMemory()
	all, attempted := crashScript(whole)
	operations := whole.Operations()
	if len(all["eth0"])+len(all["eth1"]) != attempted {
		t.Fatalf("without a crash %d and %d of %d are acknowledged", len(all["eth0"]), len(all["eth1"]), attempted)
	}
	for k := range operations {
		for lucky := range 20 {
			before := vfs.NewMemory()
			before.StopAfter(k)
			acknowledged, _ := crashScript(before)
			var r *rand.Rand
			if lucky > 0 {
				r = rand.New(rand.NewPCG(uint64(k), uint64(lucky)))
			}
			checkCrashed(t, before.Crash(r), acknowledged, all, fmt.Sprintf("stopped after %d operations, luck %d", k, lucky))
		}
	}
	t.Logf("%d operations, 20 crashes at each", operations)
}

func checkCrashed(t *testing.T, files *vfs.Memory, acknowledged, all map[string][]visited, what string) {
	t.Helper()
	s, err := Open(Config{Path: "/data/db"}, Deps{FS: files, Logger: quiet})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer func() { _ = s.Close() }()
	for iface := range all {
		got, _ := scan(t, s, iface, 0, allTime)
		for _, b := range acknowledged[iface] {
			if n := count(got, b); n != 1 {
				t.Fatalf("%s: an acknowledged block of %s is there %d times", what, iface, n)
			}
		}
		// The probe replays what it does not know to be stored.
		for _, b := range all[iface] {
			mustAppend(t, s, iface, b.Interval, b.Records)
		}
		got, stats := scan(t, s, iface, 0, allTime)
		for _, b := range all[iface] {
			if n := count(got, b); n != 1 {
				t.Fatalf("%s: after replaying a block of %s is there %d times", what, iface, n)
			}
		}
		if len(got) != len(all[iface]) || stats.Corrupted+stats.BytesTorn+stats.Replays != 0 {
			t.Fatalf("%s: %d blocks of %s after replaying, %+v", what, len(got), iface, stats)
		}
	}
}

func count(blocks []visited, b visited) (n int) {
	for i := range blocks {
		if blocks[i].Interval == b.Interval && slices.Equal(blocks[i].Records, b.Records) {
			n++
		}
	}
	return n
}

// TestEveryOperationFails fails each operation once, reading ones included: an append that returns an error has
// left nothing, and the next one works.
func TestEveryOperationFails(t *testing.T) {
	probe := vfs.NewFaulty(vfs.NewMemory())
	crashScript(probe)
	for k := 1; k <= probe.Operations(); k++ {
		memory := vfs.NewMemory()
		files := vfs.NewFaulty(memory)
		files.FailOperation(k, syscall.EIO)
		acknowledged, _ := crashScript(files)
		s, err := Open(Config{Path: "/data/db"}, Deps{FS: memory, Logger: quiet})
		if err != nil {
			t.Fatalf("operation %d failed, then opening: %v", k, err)
		}
		for iface, want := range acknowledged {
			got, stats := scan(t, s, iface, 0, allTime)
			if len(got) != len(want) || stats.Corrupted+stats.BytesTorn != 0 {
				t.Fatalf("operation %d failed: %d blocks of %s, %d acknowledged, %+v", k, len(got), iface, len(want), stats)
			}
			for _, b := range want {
				if count(got, b) != 1 {
					t.Fatalf("operation %d failed: an acknowledged block of %s is missing", k, iface)
				}
			}
		}
		_ = s.Close()
	}
	t.Logf("%d operations", probe.Operations())
}

func TestFullDisk(t *testing.T) {
	memory := vfs.NewMemory()
	files := vfs.NewFaulty(memory)
	s := mustOpen(t, files, Config{})
	r := rand.New(rand.NewPCG(9, 9))
	rows := randomRecords(r, 100)
	mustAppend(t, s, "eth0", interval(noon, 0), rows)
	name := "/db/interfaces/eth0/2026-11-21.wlog"
	length := len(memory.Bytes(name))
	for room := range int64(300) {
		files.LimitSpace(room)
		err := s.Append(context.Background(), "eth0", interval(noon+300, 1), rows)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		if got := len(memory.Bytes(name)); got != length {
			t.Fatalf("room for %d bytes: the log has %d bytes, had %d", room, got, length)
		}
		// Reading goes on, and so does another day, for which there is no room either.
		if got, stats := scan(t, s, "eth0", 0, allTime); len(got) != 1 || stats.BytesTorn+stats.BytesLost != 0 {
			t.Fatalf("room for %d bytes: %d blocks, %+v", room, len(got), stats)
		}
		if err := s.Append(context.Background(), "eth0", interval(noon+secondsPerDay, 1), rows); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d bytes, new day: %v", room, err)
		}
	}
	files.UnlimitSpace()
	mustAppend(t, s, "eth0", interval(noon+300, 1), rows)
	mustAppend(t, s, "eth0", interval(noon+secondsPerDay, 2), rows)
	if got, stats := scan(t, s, "eth0", 0, allTime); len(got) != 3 || stats.Corrupted != 0 {
		t.Errorf("with room again: %d blocks, %+v", len(got), stats)
	}
}

// TestRollBackFails: where the file cannot be cut after a failed append either, it is cut before the next one, even
// if its last block looks whole: it was never acknowledged, and is not known to be on the disk.
func TestRollBackFails(t *testing.T) {
	memory := vfs.NewMemory()
	files := vfs.NewFaulty(memory)
	s := mustOpen(t, files, Config{})
	mustAppend(t, s, "eth0", interval(noon, 0), nil)
	files.FailOperation(2, syscall.EIO) // the sync of the block
	files.FailOperation(3, syscall.EIO) // the truncate
	if err := s.Append(context.Background(), "eth0", interval(noon+300, 1), nil); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	name := filepath.Join("/db", interfacesDir, "eth0", "2026-11-21.wlog")
	if n := len(indexOf(t, memory.Bytes(name), name).blocks); n != 2 {
		t.Fatalf("%d blocks in the file, the test wants the failed one to be there", n)
	}
	other := interval(noon+600, 2)
	mustAppend(t, s, "eth0", other, nil)
	got, _ := scan(t, s, "eth0", 0, allTime)
	if diff := cmp.Diff([]visited{{interval(noon, 0), nil}, {other, nil}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestReplayAfterTheProcessDied: a block that a process wrote and had not yet synced when it was killed is in the
// file, but not durable. A replay of it must not be acknowledged before it is.
func TestReplayAfterTheProcessDied(t *testing.T) {
	files, other := vfs.NewMemory(), vfs.NewMemory()
	first, second := interval(noon, 1), interval(noon+300, 2)
	mustAppend(t, mustOpen(t, files, Config{}), "eth0", first, nil)
	complete := mustOpen(t, other, Config{})
	mustAppend(t, complete, "eth0", first, nil)
	mustAppend(t, complete, "eth0", second, nil)

	name := "/db/interfaces/eth0/2026-11-21.wlog"
	f, err := files.OpenAppend(name, fileMode)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(other.Bytes(name)[len(files.Bytes(name)):]); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()

	// The lock of a process goes away with it: open the same files on a machine that goes on.
	s := newStore(Config{Path: "/db"}, Deps{FS: files, Logger: quiet})
	s.lock = f
	mustAppend(t, s, "eth0", second, nil)
	if s.WriteStats().Replays != 1 {
		t.Fatal("the block is not known to be there; the test wants it to be")
	}
	got, _ := scan(t, mustOpen(t, files.Crash(nil), Config{}), "eth0", 0, allTime)
	if diff := same([]visited{{first, nil}, {second, nil}}, got); diff != "" {
		t.Errorf("after power loss:\n%s", diff)
	}
}

// TestModel runs random appends, replays, reopenings and scans against a list.
func TestModel(t *testing.T) {
	r := testenv.Random(t)
	files := vfs.NewMemory()
	s := mustOpen(t, files, Config{})
	model := map[string][]visited{}
	ifaces := []string{"eth0", "wlan0", "a/b"}
	boot := byte(0)
	for step := range uint64(600) {
		iface := ifaces[r.IntN(len(ifaces))]
		switch n := r.IntN(20); {
		case n < 12:
			b := visited{interval(noon+r.Int64N(4*secondsPerDay), step), randomRecords(r, r.IntN(30))}
			b.Interval.Boot[3] = boot
			mustAppend(t, s, iface, b.Interval, b.Records)
			model[iface] = append(model[iface], b)
		case n < 14 && len(model[iface]) > 0: // a replay
			b := model[iface][r.IntN(len(model[iface]))]
			mustAppend(t, s, iface, b.Interval, b.Records)
		case n < 16:
			_ = s.Close()
			boot++
			s = mustOpen(t, files, Config{})
		default:
			first := noon + r.Int64N(4*secondsPerDay)
			last := first + r.Int64N(2*secondsPerDay)
			want := sortedByEnd(slices.DeleteFunc(slices.Clone(model[iface]), func(b visited) bool {
				return b.Interval.End < first || b.Interval.End > last
			}))
			got, stats := scan(t, s, iface, first, last)
			if diff := same(want, got); diff != "" || stats.Corrupted != 0 {
				t.Fatalf("step %d, %+v:\n%s", step, stats, diff)
			}
		}
	}
	var wantFirst, wantLast int64
	for _, b := range model["eth0"] {
		if start := b.Interval.End - 300; wantFirst == 0 || start < wantFirst {
			wantFirst = start
		}
		wantLast = max(wantLast, b.Interval.End)
	}
	// The earliest interval can start on the day before its end.
	if first, last, err := s.Coverage("eth0"); first != wantFirst || last != wantLast || err != nil {
		t.Errorf("coverage %d to %d, want %d to %d (%v)", first, last, wantFirst, wantLast, err)
	}
}
