package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// content is what a store says of an interface, whatever files it is in: the intervals by identity, and the sums of
// the rows by end and key.
type content struct {
	Intervals []flow.Interval
	Rows      map[stampedKey]flow.Counters
}

type stampedKey struct {
	End int64
	Key flow.Key
}

// contentOf sums up what was visited; it fails if an interval is there twice.
func contentOf(t testing.TB, all []visited, what string) content {
	t.Helper()
	c := content{Rows: map[stampedKey]flow.Counters{}}
	known := map[identity]bool{}
	for _, v := range all {
		if known[identityOf(&v.Interval)] {
			t.Fatalf("%s: interval %+v is there twice", what, v.Interval)
		}
		known[identityOf(&v.Interval)] = true
		c.Intervals = append(c.Intervals, v.Interval)
		for _, r := range v.Records {
			k := stampedKey{v.Interval.End, r.Key}
			sum := c.Rows[k]
			sum.Add(r.Counters)
			c.Rows[k] = sum
		}
	}
	slices.SortFunc(c.Intervals, func(a, b flow.Interval) int {
		return cmp.Or(cmp.Compare(a.End, b.End), bytes.Compare(a.Boot[:], b.Boot[:]), cmp.Compare(a.Sequence, b.Sequence))
	})
	return c
}

// difference is empty if both are the same.
func (c content) difference(o content) string {
	if slices.Equal(c.Intervals, o.Intervals) && maps.Equal(c.Rows, o.Rows) {
		return ""
	}
	return gocmp.Diff(c, o, cmpopts.EquateEmpty())
}

// scanOrdered is scan, and checks that ends come in order and that keys within an interval do.
func scanOrdered(t testing.TB, s *Store, iface string, first, last int64) ([]visited, ScanStats) {
	t.Helper()
	var all []visited
	end := int64(0)
	stats, err := s.Scan(context.Background(), iface, first, last, func(iv flow.Interval, records []flow.Record) error {
		if iv.End < end || iv.End < first || iv.End > last {
			return fmt.Errorf("interval %d after %d, in a scan of %d to %d", iv.End, end, first, last)
		}
		end = iv.End
		if n := len(all); n > 0 && identityOf(&all[n-1].Interval) == identityOf(&iv) && iv.Accounting == (flow.Accounting{}) {
			all[n-1].Records = append(all[n-1].Records, records...)
			return nil
		}
		all = append(all, visited{iv, slices.Clone(records)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if !slices.IsSortedFunc(v.Records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) }) {
			t.Fatalf("the rows of %d are not in order", v.Interval.End)
		}
	}
	return all, stats
}

func mustCompact(t testing.TB, s *Store, o CompactOptions) CompactReport {
	t.Helper()
	report, err := s.Compact(t.Context(), o)
	if err != nil || len(report.Faults) > 0 {
		t.Fatalf("%v, %v", err, report.Faults)
	}
	return report
}

// filesOf lists the names in the directory of eth0.
func filesOf(files *vfs.Memory) (names []string) {
	for _, name := range files.Files() {
		if rest, ok := strings.CutPrefix(name, "/db/interfaces/eth0/"); ok {
			names = append(names, rest)
		}
	}
	return names
}

// clocked is a store with a clock that a test sets.
type clocked struct {
	*Store
	now int64
}

func openClocked(t testing.TB, files vfs.FS, now int64) *clocked {
	t.Helper()
	c := &clocked{now: now}
	var err error
	c.Store, err = Open(Config{Path: "/db"}, Deps{FS: files, Logger: quiet, Now: func() time.Time { return time.Unix(c.now, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// midnight is the end of the day of noon.
const midnight = noon + 43200

// TestDayInTheLifeOfAStore follows a day from its first block to late data after it was compacted.
func TestDayInTheLifeOfAStore(t *testing.T) {
	files := vfs.NewMemory()
	s := openClocked(t, files, noon)
	r := rand.New(rand.NewPCG(1, 2))
	var all []visited
	sequence := uint64(0)
	add := func(end int64, rows int) {
		sequence++
		v := visited{interval(end, sequence), randomRecords(r, rows)}
		mustAppend(t, s.Store, "eth0", v.Interval, v.Records)
		all = append(all, v)
	}
	check := func(what string, want ...string) {
		t.Helper()
		got, stats := scanOrdered(t, s.Store, "eth0", 1, maxEnd)
		if stats.Corrupted+stats.Replays != 0 {
			t.Fatalf("%s: %+v", what, stats)
		}
		if diff := contentOf(t, all, what).difference(contentOf(t, got, what)); diff != "" {
			t.Fatalf("%s:\n%s", what, diff)
		}
		if names := filesOf(files); !slices.Equal(names, want) {
			t.Fatalf("%s: files %v, want %v", what, names, want)
		}
	}
	const log, day = "2026-11-21.wlog", "2026-11-21.wseg"
	for i := range int64(12) {
		add(noon-3300+300*i, 20)
	}
	mustCompact(t, s.Store, CompactOptions{})
	check("the hour is hardly over", log)
	s.now += 180
	mustCompact(t, s.Store, CompactOptions{})
	check("the hour is over", "2026-11-21.0001.wseg")
	add(noon+300, 5)
	add(noon, 5) // a part of an interval that is compacted
	mustCompact(t, s.Store, CompactOptions{})
	check("late data is compacted with the hour that is over", "2026-11-21.0001.wseg", "2026-11-21.0002.wseg")
	add(noon+600, 0)
	s.now = noon + 3600 + 600
	mustCompact(t, s.Store, CompactOptions{})
	add(midnight, 3)
	add(midnight+300, 3) // of the next day
	check("three parts, and the last interval of the day", "2026-11-21.0001.wseg", "2026-11-21.0002.wseg",
		"2026-11-21.0003.wseg", log, "2026-11-22.wlog")
	s.now = midnight + 599
	mustCompact(t, s.Store, CompactOptions{})
	check("the day is not over for good", "2026-11-21.0001.wseg", "2026-11-21.0002.wseg",
		"2026-11-21.0003.wseg", "2026-11-21.0004.wseg", "2026-11-22.wlog")
	s.now = midnight + 600
	report := mustCompact(t, s.Store, CompactOptions{})
	check("the day is over", day, "2026-11-22.wlog")
	if report.Segments != 1 || report.Removed != 4 {
		t.Errorf("%+v", report)
	}
	if again := mustCompact(t, s.Store, CompactOptions{}); again.Segments+again.Removed != 0 {
		t.Errorf("there was nothing to do: %+v", again)
	}
	mustAppend(t, s.Store, "eth0", all[3].Interval, all[3].Records)
	check("a replay of a block that is in a segment", log, day, "2026-11-22.wlog")
	before := files.Bytes("/db/interfaces/eth0/" + day)
	add(noon+300, 9)
	mustCompact(t, s.Store, CompactOptions{})
	check("a supplement", "2026-11-21.0001.wseg", day, "2026-11-22.wlog")
	add(midnight, 9)
	mustCompact(t, s.Store, CompactOptions{})
	check("supplements are merged", "2026-11-21.0003.wseg", day, "2026-11-22.wlog")
	if !bytes.Equal(before, files.Bytes("/db/interfaces/eth0/"+day)) {
		t.Error("late data rewrote the segment of the day")
	}
	if first, last, err := s.Coverage("eth0"); first != noon-3600 || last != midnight+300 || err != nil {
		t.Errorf("coverage %d to %d, %v", first, last, err)
	}
	_ = s.Close()
	s = openClocked(t, files, midnight+600)
	mustAppend(t, s.Store, "eth0", all[0].Interval, all[0].Records) // a replay after a restart, in another file
	got, _ := scanOrdered(t, s.Store, "eth0", noon, noon+300)
	want := slices.DeleteFunc(slices.Clone(all), func(v visited) bool { return v.Interval.End < noon || v.Interval.End > noon+300 })
	if diff := contentOf(t, want, "span").difference(contentOf(t, got, "span")); diff != "" {
		t.Errorf("a span within a day:\n%s", diff)
	}
}
