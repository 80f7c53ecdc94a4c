package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// comebackStride is how far apart the bytes are that are damaged.
func comebackStride() int {
	switch {
	case soak:
		return 1
	case testing.Short(): // with the race detector, which has nothing to find there
		return 307
	}
	return 31
}

// repaired is what a repair of the store says, of which that byte was damaged.
func repaired(t *testing.T, s *Store, at int, dryRun bool) (said []Repaired) {
	t.Helper()
	if err := s.Repair(t.Context(), "eth0", dryRun, func(r Repaired) { said = append(said, r) }); err != nil {
		t.Fatalf("byte %d: %v", at, err)
	}
	return said
}

// TestWholeSegmentComesBack: a segment that was repaired, and whose whole copy is then put back under its name, answers with
// all its rows, each once, and keeps them when it is compacted and repaired again.
func TestWholeSegmentComesBack(t *testing.T) {
	files, all := compactedStore(t, 40)
	name := "/db/interfaces/eth0/2026-11-20.wseg"
	whole := files.Bytes(name)
	stride, tried := comebackStride(), 0
	for i := testenv.Random(t).IntN(stride); i < len(whole); i += stride {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0xff
		copied := copyOf(t, files, name, damaged)
		s := openClocked(t, copied, noon)
		repaired(t, s.Store, i, false)
		if slices.Contains(copied.Files(), name) {
			t.Fatalf("byte %d: the damaged file was not set aside", i)
		}
		copied.SetBytes(name, whole)
		compare := func(when string) {
			what := fmt.Sprintf("byte %d, %s", i, when)
			got, _ := scanOrdered(t, s.Store, "eth0", 1, maxEnd)
			if diff := contentOf(t, all["eth0"], what).difference(contentOf(t, got, what)); diff != "" {
				t.Fatalf("%s:\n%s", what, diff)
			}
		}
		compare("put back")
		mustCompact(t, s.Store, CompactOptions{All: true})
		compare("compacted")
		repaired(t, s.Store, i, false)
		compare("repaired again")
		_ = s.Close()
		tried++
	}
	if tried == 0 {
		t.Error("no byte was tried")
	}
}

// TestWholeSegmentComesBackLate: what was saved of a damaged segment is merged with others before the whole copy comes back,
// under a name that is free. No compaction deletes it, and repair puts its rows in the place of those that were saved; only
// what shares an interval's end with a part of another segment cannot be told apart.
func TestWholeSegmentComesBackLate(t *testing.T) {
	files, all := compactedStore(t, 40)
	name := "/db/interfaces/eth0/2026-11-20.wseg"
	back := strings.Replace(name, ".wseg", ".0077.wseg", 1)
	whole := files.Bytes(name)
	const sharedEnd = noon - secondsPerDay
	stride, replaced := comebackStride(), 0
	for i := testenv.Random(t).IntN(stride); i < len(whole); i += stride {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0xff
		copied := copyOf(t, files, name, damaged)
		s := openClocked(t, copied, noon)
		missing := func(when string, complete bool) (n int) {
			what := fmt.Sprintf("byte %d, %s", i, when)
			got, stats := scanOrdered(t, s.Store, "eth0", 1, maxEnd)
			n = compareDamaged(t, all["eth0"], got, what)
			if !complete {
				return n
			}
			if stats.Corrupted != 0 {
				t.Fatalf("%s: %+v", what, stats)
			}
			others := func(list []visited) []visited {
				return slices.DeleteFunc(slices.Clone(list), func(v visited) bool { return v.Interval.End == sharedEnd })
			}
			if diff := contentOf(t, others(all["eth0"]), what).difference(contentOf(t, others(got), what)); diff != "" {
				t.Fatalf("%s:\n%s", what, diff)
			}
			return n
		}
		repaired(t, s.Store, i, false)
		mustCompact(t, s.Store, CompactOptions{All: true})
		if names := filesOf(copied); !slices.Contains(names, "2026-11-20.wseg") || slices.Contains(names, "2026-11-20.0001.wseg") {
			t.Fatalf("byte %d: not merged: %v", i, names)
		}
		before := missing("saved and merged", false)
		copied.SetBytes(back, whole)
		mustCompact(t, s.Store, CompactOptions{All: true})
		if !slices.Contains(copied.Files(), back) && before > 0 {
			t.Fatalf("byte %d: compaction deleted the only copy of %d rows", i, before)
		}
		planned, said := repaired(t, s.Store, i, true), repaired(t, s.Store, i, false)
		if fmt.Sprint(planned) != fmt.Sprint(said) {
			t.Fatalf("byte %d: a dry run says\n%v\nand repair\n%v", i, planned, said)
		}
		after := missing("repaired", true)
		if after > before {
			t.Fatalf("byte %d: %d rows are missing, %d before: %v", i, after, before, said)
		}
		if after < before {
			replaced++
		}
		mustCompact(t, s.Store, CompactOptions{All: true})
		if now := missing("compacted", true); now != after {
			t.Fatalf("byte %d: compacted, %d rows are missing, %d before", i, now, after)
		}
		if said := repaired(t, s.Store, i, false); len(said) != 0 {
			t.Fatalf("byte %d: repaired again: %v", i, said)
		}
		_ = s.Close()
	}
	if replaced == 0 {
		t.Error("nothing was replaced")
	}
	t.Log(replaced, "replaced")
}

// TestWholeSegmentComesBackToDamage: what was saved and merged is damaged too when the whole copy comes back. One repair
// puts all right.
func TestWholeSegmentComesBackToDamage(t *testing.T) {
	files, all := compactedStore(t, 40)
	name := "/db/interfaces/eth0/2026-11-20.wseg"
	whole := files.Bytes(name)
	tried, random := 0, testenv.Random(t)
	for i := random.IntN(97); i < len(whole); i += 97 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0xff
		copied := copyOf(t, files, name, damaged)
		s := openClocked(t, copied, noon)
		repaired(t, s.Store, i, false)
		mustCompact(t, s.Store, CompactOptions{All: true})
		_ = s.Close()
		if !slices.Contains(copied.Files(), name) {
			continue
		}
		merged := bytes.Clone(copied.Bytes(name))
		merged[random.IntN(len(merged))] ^= 0xff
		copied.SetBytes(name, merged)
		copied.SetBytes(strings.Replace(name, ".wseg", ".0077.wseg", 1), whole)
		s = openClocked(t, copied, noon)
		repaired(t, s.Store, i, false)
		what := fmt.Sprintf("byte %d", i)
		got, stats := scanOrdered(t, s.Store, "eth0", 1, maxEnd)
		compareDamaged(t, all["eth0"], got, what)
		if stats.Corrupted != 0 {
			t.Fatalf("%s: %+v", what, stats)
		}
		_ = s.Close()
		tried++
	}
	if tried == 0 {
		t.Error("no byte was tried")
	}
}
