package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirflow/weir/probe/vfs"
)

// loadScript imports three days of two interfaces with a small memory, so that days are made in pieces; it is told
// what became durable, and repeated until it has ended.
func loadScript(files vfs.FS, blocks map[string][]visited) (durable map[string]int, done bool) {
	durable = map[string]int{}
	s, err := Open(Config{Path: "/db"}, Deps{FS: files, Logger: quiet})
	if err != nil {
		return durable, false
	}
	defer s.Close() //nolint:errcheck // the script ends here
	done = true
	for _, iface := range []string{"eth0", "eth1"} {
		l, err := s.NewLoader(iface)
		if err != nil {
			return durable, false
		}
		l.most = 1500
		for i, b := range blocks[iface] {
			if _, err := l.Append(context.Background(), b.Interval, b.Records); err != nil {
				return durable, false
			}
			if i == 5 && l.Flush(context.Background()) == nil {
				durable[iface] = i + 1
			}
		}
		if l.Close(context.Background()) != nil {
			return durable, false
		}
		durable[iface] = len(blocks[iface])
	}
	return durable, done
}

// TestImportStoppedAtEveryOperation stops an import, loses power, looks, and imports again.
func TestImportStoppedAtEveryOperation(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	blocks := map[string][]visited{}
	for i := range 12 {
		for _, iface := range []string{"eth0", "eth1"} {
			end := noon - 3*secondsPerDay + int64(i/4)*secondsPerDay + int64(i%4)*300
			blocks[iface] = append(blocks[iface], visited{interval(end, uint64(i)), randomRecords(r, 4)})
		}
	}
	whole := vfs.NewMemory()
	if _, done := loadScript(whole, blocks); !done {
		t.Fatal("the script does not end")
	}
	if names := filesOf(whole); !slices.Equal(names, []string{"2026-11-18.wseg", "2026-11-19.wseg", "2026-11-20.wseg"}) {
		t.Fatalf("files %v", names)
	}
	lucks, start, stride := everyKth(t, 2, 5)
	for k := start; k < whole.Operations(); k += stride {
		before := vfs.NewMemory()
		before.StopAfter(k)
		durable, _ := loadScript(before, blocks)
		for luck := range lucks {
			var lr *rand.Rand
			if luck > 0 {
				lr = rand.New(rand.NewPCG(uint64(k), luck))
			}
			after := before.Crash(lr)
			what := fmt.Sprintf("stopped after %d operations, luck %d", k, luck)
			acknowledged := map[string][]visited{}
			for iface, n := range durable {
				acknowledged[iface] = blocks[iface][:n]
			}
			s := mustOpen(t, after, Config{})
			checkCompacted(t, s, acknowledged, blocks, what)
			_ = s.Close()
			if _, done := loadScript(after, blocks); !done {
				t.Fatalf("%s: the import does not go on", what)
			}
			s = mustOpen(t, after, Config{})
			checkCompacted(t, s, blocks, blocks, what+", imported again")
			if names := filesOf(after); len(names) != 3 {
				t.Fatalf("%s: files %v", what, names)
			}
			_ = s.Close()
		}
	}
}

// TestLoaderInAnyOrder: intervals that come in any order, also of many days, are all there.
func TestLoaderInAnyOrder(t *testing.T) {
	s := mustOpen(t, vfs.NewMemory(), Config{})
	r := rand.New(rand.NewPCG(6, 6))
	l, err := s.NewLoader("eth0")
	if err != nil {
		t.Fatal(err)
	}
	l.most = 15_000
	var all []visited
	for i := range 200 {
		all = append(all, visited{interval(noon-r.Int64N(20*secondsPerDay), uint64(i)), randomRecords(r, r.IntN(9))})
	}
	for _, v := range all {
		shuffled := slices.Clone(v.Records)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if added, err := l.Append(t.Context(), v.Interval, shuffled); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if added, err := l.Append(t.Context(), v.Interval, v.Records); added || err != nil {
			t.Fatalf("again: %v, %v", added, err)
		}
	}
	got, _ := scanOrdered(t, s, "eth0", 1, maxEnd)
	if diff := contentOf(t, all, "").difference(contentOf(t, got, "")); diff != "" {
		t.Error(diff)
	}
	files, err := s.listFiles("eth0", 0, endOfTime)
	if err != nil || slices.ContainsFunc(files, func(f dataFile) bool { return f.number != 0 || !f.segment }) {
		t.Errorf("files %v, %v", files, err)
	}
}
