package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/probe/vfs"
)

// compactScript lives through two days of two interfaces: appends, compaction of hours, of a day, late data, a
// supplement, and retention that takes the first day. It returns what was acknowledged, and what is not to be pruned.
func compactScript(files vfs.FS) (acknowledged map[string][]visited) {
	acknowledged = map[string][]visited{}
	r := rand.New(rand.NewPCG(7, 8))
	now := noon
	cfg := Config{Path: "/db", Retention: Retention{MaxAge: dayLength}}
	sequence := uint64(0)
	for boot := range byte(2) {
		s, err := Open(cfg, Deps{FS: files, Logger: quiet, Now: func() time.Time { return time.Unix(now, 0) }})
		if err != nil {
			return acknowledged
		}
		add := func(ends ...int64) {
			for _, end := range ends {
				for _, iface := range []string{"eth0", "eth1"} {
					sequence++
					b := visited{interval(end, sequence), randomRecords(r, 4)}
					b.Interval.Boot[15] = boot
					if s.Append(context.Background(), iface, b.Interval, b.Records) == nil {
						acknowledged[iface] = append(acknowledged[iface], b)
					}
				}
			}
		}
		compact := func(at int64) {
			now = at
			_, _ = s.Compact(context.Background(), CompactOptions{}) // what it could not do, the next one does
		}
		if boot == 0 {
			add(noon-2*secondsPerDay, noon-600, noon-300, noon)
			compact(noon + 180)
			add(noon+300, noon)
			compact(noon + 3600 + 180)
			add(midnight, midnight+300)
		} else {
			compact(midnight + 900)
			add(noon-600, midnight)
			compact(midnight + 1800)
			add(noon)
			compact(midnight + 2700)
			_, _ = s.Prune(context.Background(), false)
		}
		_ = s.Close()
	}
	return acknowledged
}

// checkCompacted holds that a store has all that was acknowledged once, no row of it more or less, and nothing that was
// never appended. The day that retention takes is there or not, as a whole.
func checkCompacted(t *testing.T, s *Store, acknowledged, all map[string][]visited, what string) {
	t.Helper()
	for iface := range all {
		got, stats := scanOrdered(t, s, iface, 1, maxEnd)
		if s.lock != nil && stats.Corrupted != 0 || stats.Replays != 0 {
			t.Fatalf("%s: %s: %+v", what, iface, stats) // a reader may see what no append finished and no writer cut off yet
		}
		there := map[identity]bool{}
		for _, v := range got {
			there[identityOf(&v.Interval)] = true
		}
		old := dayOf(noon - 2*secondsPerDay)
		for _, v := range acknowledged[iface] {
			if !there[identityOf(&v.Interval)] && dayOf(v.Interval.End) != old {
				t.Fatalf("%s: %s: an acknowledged interval is missing: %+v", what, iface, v.Interval)
			}
		}
		want := slices.DeleteFunc(slices.Clone(all[iface]), func(v visited) bool { return !there[identityOf(&v.Interval)] })
		if diff := contentOf(t, want, what).difference(contentOf(t, got, what)); diff != "" {
			t.Fatalf("%s: %s:\n%s", what, iface, diff)
		}
	}
}

// everyKth says which operations a test stops at: all of them in a soak, else some, others each time.
func everyKth(t *testing.T, lucks uint64, stride int) (uint64, int, int) {
	if soak {
		return 20, 0, 1
	}
	start := testenv.Random(t).IntN(stride)
	t.Logf("every %dth operation from %d on; all with the tag soak", stride, start)
	return lucks, start, stride
}

// TestCompactionStoppedAtEveryOperation stops the machine at every operation of a life with compaction and retention,
// loses power, and looks: before anything else as a reader, then as a writer that compacts what is left.
func TestCompactionStoppedAtEveryOperation(t *testing.T) {
	whole := vfs.NewMemory()
	all := compactScript(whole)
	if len(all["eth0"]) != 11 || len(all["eth1"]) != 11 {
		t.Fatalf("without a crash %d and %d intervals are acknowledged", len(all["eth0"]), len(all["eth1"]))
	}
	operations := whole.Operations()
	lucks, start, stride := everyKth(t, 2, 11)
	for k := start; k < operations; k += stride {
		before := vfs.NewMemory()
		before.StopAfter(k)
		acknowledged := compactScript(before)
		for luck := range lucks {
			var r *rand.Rand
			if luck > 0 {
				r = rand.New(rand.NewPCG(uint64(k), luck))
			}
			after := before.Crash(r)
			what := fmt.Sprintf("stopped after %d operations, luck %d", k, luck)
			if reader, err := Open(Config{Path: "/db", ReadOnly: true}, Deps{FS: after}); err == nil {
				checkCompacted(t, reader, acknowledged, all, what+", read only")
				_ = reader.Close()
			}
			s := openClocked(t, after, midnight+900)
			checkCompacted(t, s.Store, acknowledged, all, what)
			mustCompact(t, s.Store, CompactOptions{All: true})
			mustCompact(t, s.Store, CompactOptions{All: true})
			checkCompacted(t, s.Store, acknowledged, all, what+", compacted")
			for _, name := range after.Files() {
				if strings.HasSuffix(name, segmentSuffix+tempSuffix) {
					t.Fatalf("%s: %s is left", what, name)
				}
			}
			_ = s.Close()
		}
	}
	t.Logf("%d operations, %d crashes at each", operations, lucks)
}

// TestCompactionWithFailingOperations fails each operation once, reading ones included.
func TestCompactionWithFailingOperations(t *testing.T) {
	all := compactScript(vfs.NewMemory())
	probe := vfs.NewFaulty(vfs.NewMemory())
	compactScript(probe)
	_, start, stride := everyKth(t, 1, 31)
	for k := 1 + start; k <= probe.Operations(); k += stride {
		memory := vfs.NewMemory()
		files := vfs.NewFaulty(memory)
		files.FailOperation(k, syscall.EIO)
		acknowledged := compactScript(files)
		s := openClocked(t, memory, midnight+900)
		checkCompacted(t, s.Store, acknowledged, all, fmt.Sprintf("operation %d failed", k))
		_ = s.Close()
	}
	t.Logf("%d operations", probe.Operations())
}

// TestCompactionOnAFullDisk: what does not fit is not begun, or leaves nothing behind.
func TestCompactionOnAFullDisk(t *testing.T) {
	memory := vfs.NewMemory()
	s := openClocked(t, memory, noon)
	fillDays(t, s.Store, "eth0", 3, 200)
	before, _ := scan(t, s.Store, "eth0", 0, allTime)
	size := mustPrune(t, s.Store, true).KeptBytes
	for _, room := range []int64{0, 100, 5000, 1 << 20, 1<<20 + 500} {
		memory.SetQuota(size + room)
		report, err := s.Compact(t.Context(), CompactOptions{})
		if err != nil || report.Segments != 0 || len(report.Faults) != 2 {
			t.Fatalf("room for %d bytes: %+v, %v", room, report, err)
		}
	}
	if after, _ := scan(t, s.Store, "eth0", 0, allTime); same(before, after) != "" {
		t.Error("the flows are not what they were")
	}
	memory.SetQuota(0)
	mustCompact(t, s.Store, CompactOptions{})
	if names := filesOf(memory); !slices.Equal(names, []string{"2026-11-19.wseg", "2026-11-20.wseg", "2026-11-21.wlog"}) {
		t.Error(names)
	}
}
