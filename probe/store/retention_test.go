package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// openAt opens a store in /db, or elsewhere, at a time.
func openAt(t testing.TB, files vfs.FS, cfg Config, now int64) *Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = "/db"
	}
	s, err := Open(cfg, Deps{FS: files, Logger: quiet, Now: func() time.Time { return time.Unix(now, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// fillDays appends a block of rows at noon of each of the last n days before and including that of noon.
func fillDays(t testing.TB, s *Store, iface string, n, rows int) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(rows)))
	for i := range n {
		mustAppend(t, s, iface, interval(noon-int64(n-1-i)*secondsPerDay, uint64(i)), randomRecords(r, rows))
	}
}

// storedDays lists the days that have data.
func storedDays(t testing.TB, s *Store, iface string) (days []string) {
	t.Helper()
	got, stats := scan(t, s, iface, 0, allTime)
	if stats.Corrupted != 0 {
		t.Fatalf("%+v", stats)
	}
	for _, b := range got {
		days = append(days, dayOf(b.Interval.End).String())
	}
	return slices.Compact(days)
}

func mustPrune(t testing.TB, s *Store, dryRun bool) PruneReport {
	t.Helper()
	report, err := s.Prune(t.Context(), dryRun)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestPruneByAge(t *testing.T) {
	files := vfs.NewMemory()
	s := openAt(t, files, Config{Retention: Retention{MaxAge: 3 * dayLength}}, noon)
	fillDays(t, s, "eth0", 10, 20)
	fillDays(t, s, "old", 1, 1)
	mustAppend(t, s, "gone", interval(noon-9*secondsPerDay, 1), nil)
	files.SetBytes("/db/interfaces/eth0/2026-11-13.wlog.refused", []byte("set aside"))

	dry := mustPrune(t, s, true)
	if got := storedDays(t, s, "eth0"); len(got) != 10 {
		t.Fatalf("a dry run left %d days", len(got))
	}
	report := mustPrune(t, s, false)
	if fmt.Sprint(dry) != fmt.Sprint(report) || len(report.Days) != 6 || report.Days[0].Day != "2026-11-12" || report.Days[1].Files != 2 {
		t.Errorf("the dry run said %+v, then %+v", dry, report)
	}
	// Three whole days before the current one, and that one.
	want := []string{"2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"}
	if got := storedDays(t, s, "eth0"); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	if names, err := s.Interfaces(); err != nil || !slices.Equal(names, []string{"eth0", "old"}) {
		t.Errorf("interfaces %v: one without data stays, %v", names, err)
	}
	if h := s.Health(); h.PrunedDays != 6 || h.PrunedBytes != uint64(report.Bytes) {
		t.Errorf("%+v does not say what went: %+v", h, report)
	}
	if again := mustPrune(t, s, false); len(again.Days) != 0 {
		t.Errorf("a second pass deletes %+v", again)
	}
	mustAppend(t, s, "gone", interval(noon-9*secondsPerDay, 2), nil) // late data opens the day anew
	if got := storedDays(t, s, "gone"); len(got) != 1 {
		t.Errorf("late data: %v", got)
	}
}

// TestWrongClockDeletesNothing: neither a clock that is ahead nor blocks of a far day make the rest old.
func TestWrongClockDeletesNothing(t *testing.T) {
	files := vfs.NewMemory()
	cfg := Config{Retention: Retention{MaxAge: 30 * dayLength}}
	s := openAt(t, files, cfg, noon+4000*secondsPerDay)
	fillDays(t, s, "eth0", 10, 5)
	if report := mustPrune(t, s, false); len(report.Days) != 0 {
		t.Errorf("clock ahead: %+v", report)
	}
	mustAppend(t, s, "eth0", interval(noon+4000*secondsPerDay, 99), nil)
	if report := mustPrune(t, s, false); len(report.Days) != 0 {
		t.Errorf("clock ahead, and a block with its time: %+v", report)
	}
	_ = s.Close()
	s = openAt(t, files, Config{Retention: Retention{MaxAge: dayLength, MaxBytes: 1}}, noon-30*secondsPerDay)
	if report := mustPrune(t, s, false); len(report.Days) != 0 || report.Insufficient == "" {
		t.Errorf("clock behind: %+v", report)
	}
}

func TestPruneByBytes(t *testing.T) {
	files := vfs.NewMemory()
	s := openAt(t, files, Config{}, noon)
	fillDays(t, s, "eth0", 8, 100)
	fillDays(t, s, "eth1", 8, 50)
	total := mustPrune(t, s, true).KeptBytes
	s.retention = Retention{MaxBytes: Bytes(total * 5 / 8)}
	report := mustPrune(t, s, false)
	if report.KeptBytes > total*5/8 || report.KeptBytes+report.Days[len(report.Days)-1].Bytes <= total*5/8 {
		t.Errorf("%d of %d bytes kept: %+v", report.KeptBytes, total, report)
	}
	if a, b := storedDays(t, s, "eth0"), storedDays(t, s, "eth1"); !slices.Equal(a, b) || len(a) != report.KeptDays {
		t.Errorf("days of the interfaces: %v and %v", a, b)
	}
	s.retention.MaxBytes = 1
	if report := mustPrune(t, s, false); report.KeptDays != 1 || report.Insufficient == "" {
		t.Errorf("the current day has to stay: %+v", report)
	}
}

// TestStoresShareADisk: of several stores on a disk that is too full each gives in proportion, none is emptied for the
// others, and when all have looked often enough there is room and no more than a day of each too much is gone.
func TestStoresShareADisk(t *testing.T) {
	files := vfs.NewMemory()
	var stores []*Store
	for i, rows := range []int{400, 100, 25} {
		s := openAt(t, files, Config{Path: fmt.Sprintf("/db%d", i)}, noon)
		fillDays(t, s, "eth0", 40, rows)
		stores = append(stores, s)
	}
	before := make([]int64, len(stores))
	used, oneDay := int64(0), int64(0)
	for i, s := range stores {
		before[i] = mustPrune(t, s, true).KeptBytes
		used, oneDay = used+before[i], oneDay+before[i]/40*2
	}
	bound := used / 3 // of a disk that is full to the last byte
	files.SetQuota(used + 3000)
	passes := 0
	for changed := true; changed && passes < 50; passes++ {
		changed = false
		for _, s := range stores {
			s.retention = Retention{MinFree: Bytes(bound)}
			changed = len(mustPrune(t, s, false).Days) > 0 || changed
		}
	}
	space, err := files.Space("/")
	if err != nil || int64(space.Free) < bound || int64(space.Free) > bound+bound/16+oneDay+3000 {
		t.Errorf("%d bytes free, wanted %d and at most %d more (%v)", space.Free, bound, bound/16+oneDay, err)
	}
	for i, s := range stores {
		kept := mustPrune(t, s, true).KeptBytes
		t.Logf("store %d keeps %d of %d bytes", i, kept, before[i])
		if share := float64(kept) / float64(before[i]); share < 0.4 || share > 0.95 {
			t.Errorf("store %d keeps %d of %d bytes", i, kept, before[i])
		}
	}
	t.Logf("%d passes", passes)
}

// TestFullDiskMakesRoom: on a full disk deleting works, and appending does so again.
func TestFullDiskMakesRoom(t *testing.T) {
	files := vfs.NewMemory()
	now := noon
	s, err := Open(Config{Path: "/db", Retention: Retention{MinFree: 8000}}, Deps{FS: files, Logger: quiet, Now: func() time.Time { return time.Unix(now, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fillDays(t, s, "eth0", 10, 100)
	space := mustPrune(t, s, true).KeptBytes
	files.SetQuota(space + 500)
	rows := randomRecords(rand.New(rand.NewPCG(1, 1)), 200)
	if err := s.Append(t.Context(), "eth0", interval(noon+300, 90), rows); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	now += 60
	if h := s.Health(); h.Full.Unix() != noon || !strings.Contains(h.Cause, "eth0") {
		t.Errorf("a full disk: %+v", h)
	}
	select {
	case <-s.disk.wake:
	default:
		t.Error("nobody is told")
	}
	if report := mustPrune(t, s, false); len(report.Days) == 0 || report.Days[0].Reason != reasonFree {
		t.Fatalf("%+v", report)
	}
	mustAppend(t, s, "eth0", interval(noon+300, 90), rows)
	if h := s.Health(); !h.Full.IsZero() || h.Cause != "" {
		t.Errorf("with room again: %+v", h)
	}
}

// TestPruneCutShort stops the machine at every operation of a deletion: a day is there as a whole or not at all, before
// the store is opened for writing and after, and the current one always is.
func TestPruneCutShort(t *testing.T) {
	whole := vfs.NewMemory()
	s := openAt(t, whole, Config{}, noon)
	for _, iface := range []string{"eth0", "eth1", "lo"} {
		fillDays(t, s, iface, 4, 3)
	}
	_ = s.Close()
	prune := func(files vfs.FS) {
		cfg := Config{Path: "/db", Retention: Retention{MaxAge: dayLength}}
		s, err := Open(cfg, Deps{FS: files, Logger: quiet, Now: func() time.Time { return time.Unix(noon, 0) }})
		if err == nil {
			_, _ = s.Prune(context.Background(), false)
			_ = s.Close()
		}
	}
	check := func(s *Store, what string) {
		var all [][]string
		for _, iface := range []string{"eth0", "eth1", "lo"} {
			all = append(all, storedDays(t, s, iface))
		}
		if !slices.Equal(all[0], all[1]) || !slices.Equal(all[0], all[2]) || len(all[0]) < 2 {
			t.Fatalf("%s: days %v", what, all)
		}
	}
	for k := 0; ; k++ {
		files := whole.Crash(nil)
		files.StopAfter(k)
		prune(files)
		done := !files.Stopped()
		for luck := range uint64(8) {
			var r *rand.Rand
			if luck > 0 {
				r = rand.New(rand.NewPCG(uint64(k), luck))
			}
			after := files.Crash(r)
			what := fmt.Sprintf("stopped after %d operations, luck %d", k, luck)
			check(mustOpen(t, after, Config{ReadOnly: true}), what+", read only")
			s := mustOpen(t, after, Config{})
			check(s, what)
			if until, err := s.horizon(); until != -1 || err != nil {
				t.Fatalf("%s: the deletion was not ended: %v", what, err)
			}
		}
		if done {
			t.Logf("%d operations", k)
			return
		}
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "50GB": 50e9, "1GiB": 1 << 30, "1gib": 1 << 30, "3 MB": 3e6, "17": 17, "2kB": 2000, "5B": 5} {
		var b, again Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q is %d, want %d (%v)", text, b, want, err)
		}
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%d is printed as %q, which is %d (%v)", b, b.String(), again, err)
		}
	}
	for _, text := range []string{"", "GB", "-1", "1.5GB", "1 XB", "99999999999TiB", "1 2"} {
		if err := new(Bytes).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a size", text)
		}
	}
	for text, want := range map[string]Age{"0": 0, "400d": 400 * dayLength, "36h": Age(36 * time.Hour), "1h30m": Age(90 * time.Minute)} {
		var a, again Age
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want {
			t.Errorf("%q is %v, want %v (%v)", text, a, want, err)
		}
		if err := again.UnmarshalText([]byte(a.String())); err != nil || again != a {
			t.Errorf("%v is printed as %q (%v)", a, a.String(), err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "soon", "-3h", "999999999999d"} {
		if err := new(Age).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for an age", text)
		}
	}
}
