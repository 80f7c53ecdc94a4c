package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// compactorRoot names the store that a copy of the test binary appends to and compacts; see TestKillWhileCompacting.
const compactorRoot = "WEIR_TEST_STORE_COMPACTOR"

// compactForever appends an interval a quarter of an hour and compacts after each, as if time flew.
func compactForever(root string) error {
	now := noon
	s, err := Open(Config{Path: root}, Deps{Now: func() time.Time { return time.Unix(now, 0) }})
	if err != nil {
		return err
	}
	next := uint64(0)
	if _, last, err := s.Coverage("eth0"); err != nil {
		return err
	} else if last > 0 {
		next = uint64(last-noon)/900 + 1
	}
	for ; ; next++ {
		end := noon + int64(next)*900
		rows := []flow.Record{v4(uint32(next), 1, 2, flow.TCP, flow.Counters{BytesSent: next})}
		if err := s.Append(context.Background(), "eth0", interval(end, next), rows); err != nil {
			return err
		}
		fmt.Printf("acknowledged %d\n", next)
		now = end + 1000
		if report, err := s.Compact(context.Background(), CompactOptions{All: next%5 == 0}); err != nil || len(report.Faults) > 0 {
			return errors.Join(append(report.Faults, err)...)
		}
	}
}

// TestKillWhileCompacting kills a process that appends and compacts, again and again: what it said to be stored is
// there, once, and the next process goes on.
func TestKillWhileCompacting(t *testing.T) {
	root := filepath.Join(t.TempDir(), "db")
	acknowledged, rounds, random := uint64(0), 5, testenv.Random(t)
	if soak {
		rounds = 500
	}
	for round := range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), compactorRoot+"="+root)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, seen, most := bufio.NewScanner(out), 0, 5+random.IntN(25)
		for lines.Scan() {
			if n, err := fmt.Sscanf(lines.Text(), "acknowledged %d", &acknowledged); n == 1 && err == nil {
				if seen++; seen == most { // somewhere in what follows
					time.AfterFunc(time.Duration(random.IntN(4000))*time.Microsecond, func() { _ = child.Process.Kill() })
				}
			} else {
				t.Log(lines.Text())
			}
		}
		_ = child.Wait() // says that it was killed
		if seen < most {
			t.Fatalf("round %d: the child ended by itself after %d blocks", round, seen)
		}
		s := mustOpen(t, vfs.OS{}, Config{Path: root})
		got, stats := scanOrdered(t, s, "eth0", 1, maxEnd)
		if uint64(len(got)) < acknowledged+1 || stats.Corrupted+stats.BytesTorn+stats.Replays != 0 {
			t.Fatalf("round %d: %d blocks, %d acknowledged, %+v", round, len(got), acknowledged+1, stats)
		}
		for i, b := range got {
			if b.Interval.Sequence != uint64(i) || len(b.Records) != 1 || b.Records[0].Counters.BytesSent != uint64(i) {
				t.Fatalf("round %d: block %d is %+v", round, i, b)
			}
		}
		_ = s.Close()
	}
	t.Logf("%d intervals", acknowledged+1)
}

// TestCompactAndPruneOnAFullTmpfs fills a real file system: compaction does not begin what has no room, retention makes
// room, and then all goes on.
func TestCompactAndPruneOnAFullTmpfs(t *testing.T) {
	testenv.RequireRoot(t)
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	now := noon
	s, err := Open(Config{Path: filepath.Join(root, "db"), Retention: Retention{MinFree: 2 << 20}},
		Deps{Logger: quiet, Now: func() time.Time { return time.Unix(now, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // before the file system goes
	rows := randomRecords(rand.New(rand.NewPCG(1, 2)), 4000)
	stored := uint64(0)
	for err == nil {
		now += 4 * 3600
		if err = s.Append(t.Context(), "eth0", interval(now, stored), rows); err == nil {
			stored++
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || s.Health().Full.IsZero() {
		t.Fatal(err)
	}
	if report, err := s.Compact(t.Context(), CompactOptions{All: true}); err != nil || len(report.Faults) == 0 || report.Segments != 0 {
		t.Fatalf("compacted without room: %+v, %v", report, err)
	}
	report := mustPrune(t, s, false)
	if len(report.Days) == 0 || report.Days[0].Reason != reasonFree {
		t.Fatalf("%+v", report)
	}
	mustAppend(t, s, "eth0", interval(now, stored), rows)
	if h := s.Health(); !h.Full.IsZero() || h.Space.Free < 2<<20 {
		t.Errorf("%+v", h)
	}
	mustCompact(t, s, CompactOptions{All: true})
	got, stats := scanOrdered(t, s, "eth0", 1, maxEnd)
	if len(got) == 0 || got[len(got)-1].Interval.Sequence != stored || stats.Corrupted != 0 {
		t.Errorf("%d intervals, %+v", len(got), stats)
	}
}
