package store

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/probe/vfs"
)

// compactedStore makes a store with a day's segment, a supplement, parts of the current day and a log, on two
// interfaces, and returns its files and what is in it.
func compactedStore(t testing.TB, rows int) (*vfs.Memory, map[string][]visited) {
	t.Helper()
	files := vfs.NewMemory()
	s := openClocked(t, files, noon)
	all := map[string][]visited{}
	r := rand.New(rand.NewPCG(5, uint64(rows)))
	sequence := uint64(0)
	add := func(ends ...int64) {
		for _, end := range ends {
			for _, iface := range []string{"eth0", "lo"} {
				sequence++
				v := visited{interval(end, sequence), randomRecords(r, rows)}
				mustAppend(t, s.Store, iface, v.Interval, v.Records)
				all[iface] = append(all[iface], v)
			}
		}
	}
	add(noon-secondsPerDay, noon+300-secondsPerDay, noon-7200, noon-6900)
	mustCompact(t, s.Store, CompactOptions{})
	add(noon-secondsPerDay, noon-3600)
	mustCompact(t, s.Store, CompactOptions{})
	add(noon)
	_ = s.Close()
	want := []string{"2026-11-20.0001.wseg", "2026-11-20.wseg", "2026-11-21.0001.wseg", "2026-11-21.0002.wseg", "2026-11-21.wlog"}
	if names := filesOf(files); !slices.Equal(names, want) {
		t.Fatalf("files %v", names)
	}
	return files, all
}

// checkDamage holds that a store with one damaged file gives right rows only, counts a loss where rows are missing, and
// that Check names the file; and that Repair leaves a store without damage that gives no fewer rows.
func checkDamage(t *testing.T, files *vfs.Memory, damaged string, all map[string][]visited, what string, repair bool) {
	t.Helper()
	s, err := Open(Config{Path: "/db"}, Deps{FS: files})
	if err != nil {
		if filepath.Base(damaged) != identityFile {
			t.Fatalf("%s: %v", what, err)
		}
		return
	}
	defer s.Close()
	for iface, want := range all {
		before, stats := scanOrdered(t, s, iface, 1, maxEnd)
		lost := compareDamaged(t, want, before, what)
		if lost > 0 && stats.Corrupted+stats.BytesTorn == 0 && s.WriteStats().BytesTruncated == 0 {
			t.Fatalf("%s: %d rows of %s are missing, and no loss is counted", what, lost, iface)
		}
		var named []Damage
		checked, err := s.Check(context.Background(), iface, func(d Damage) { named = append(named, d) })
		if err != nil || checked.Corrupted != uint64(len(named)) || stats.Corrupted > 0 && len(named) == 0 {
			t.Fatalf("%s: %s: check says %+v, names %v (%v); a scan says %+v", what, iface, checked, named, err, stats)
		}
		for _, d := range named {
			if !strings.HasSuffix(damaged, d.File) {
				t.Fatalf("%s: check names %v", what, d)
			}
		}
		if !repair {
			continue
		}
		if err := s.Repair(context.Background(), iface, false, func(Repaired) {}); err != nil {
			t.Fatalf("%s: repair %s: %v", what, iface, err)
		}
		after, stats := scanOrdered(t, s, iface, 1, maxEnd)
		if now := compareDamaged(t, want, after, what+", repaired"); now > lost || stats.Corrupted > 0 {
			t.Fatalf("%s: repaired, %d rows of %s are missing, %d before; %+v", what, now, iface, lost, stats)
		}
	}
}

// compareDamaged holds that nothing is there that was not written, and says how many rows are missing.
func compareDamaged(t *testing.T, want, got []visited, what string) (missing int) {
	t.Helper()
	right, found := contentOf(t, want, what), contentOf(t, got, what)
	for k, c := range found.Rows {
		// A part whose other part is lost has lower sums.
		if sum, ok := right.Rows[k]; !ok || c.Packets() > sum.Packets() || c.BytesReceived > sum.BytesReceived {
			t.Fatalf("%s: a row that was not written: %+v %+v, written %+v", what, k, c, sum)
		}
	}
	for k, c := range right.Rows {
		if found.Rows[k] != c {
			missing++
		}
	}
	return missing
}

// TestEveryByteOfACompactedStore flips every byte of every file of a small store, and reads it. Some of the time, and
// with the tag soak always and with more bits, it is checked and repaired as well.
func TestEveryByteOfACompactedStore(t *testing.T) {
	files, all := compactedStore(t, 2)
	size, stride := 0, 151
	start := testenv.Random(t).IntN(stride)
	if soak {
		stride, start = 1, 0
	}
	t.Logf("every %dth byte from %d on is repaired", stride, start)
	for _, name := range files.Files() {
		original := files.Bytes(name)
		size += len(original)
		for i := range original {
			flipped := bytes.Clone(original)
			flipped[i] ^= byte(i*37) | 1
			checkFlipped(t, files, name, flipped, all, fmt.Sprintf("%s: byte %d", name, i))
		}
		for i := start; i < len(original); i += stride {
			for _, bits := range []byte{0x01, 0x80, 0xff} {
				flipped := bytes.Clone(original)
				flipped[i] ^= bits
				what := fmt.Sprintf("%s: byte %d ^ %#x", name, i, bits)
				checkDamage(t, copyOf(t, files, name, flipped), name, all, what, true)
			}
			if strings.HasSuffix(name, segmentSuffix) {
				checkDamage(t, copyOf(t, files, name, original[:i]), name, all, fmt.Sprintf("%s cut to %d", name, i), true)
			}
		}
	}
	if size > 20_000 {
		t.Errorf("the store has %d bytes; the sweep is meant for less", size)
	}
	t.Logf("%d bytes", size)
}

// checkFlipped puts a damaged file into a store for a moment and reads what it says.
func checkFlipped(t *testing.T, files *vfs.Memory, name string, damaged []byte, all map[string][]visited, what string) {
	original := files.Bytes(name)
	files.SetBytes(name, damaged)
	defer files.SetBytes(name, original)
	s, err := Open(Config{Path: "/db", ReadOnly: true}, Deps{FS: files})
	if err != nil {
		if filepath.Base(name) != identityFile {
			t.Fatalf("%s: %v", what, err)
		}
		return
	}
	defer s.Close()
	for iface, want := range all {
		if !strings.Contains(name, "/"+iface+"/") {
			continue
		}
		got, stats := scanOrdered(t, s, iface, 1, maxEnd)
		if lost := compareDamaged(t, want, got, what); lost > 0 && stats.Corrupted+stats.BytesTorn == 0 {
			t.Fatalf("%s: %d rows of %s are missing, and no loss is counted", what, lost, iface)
		}
	}
}

// TestFilesOfACompactedStoreMovedAround: files that are missing, empty, doubled, renamed or of another place are
// named, or what they hold is not doubled.
func TestFilesOfACompactedStoreMovedAround(t *testing.T) {
	files, all := compactedStore(t, 5)
	dir := "/db/interfaces/eth0/"
	day, part, log := dir+"2026-11-20.wseg", dir+"2026-11-21.0001.wseg", dir+"2026-11-21.wlog"
	for what, content := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, 3000),
		"of another day": files.Bytes(part), "of another interface": files.Bytes("/db/interfaces/lo/2026-11-20.wseg"),
		"a log": files.Bytes(log), "of a later version": laterVersion(files.Bytes(day)),
	} {
		checkDamage(t, copyOf(t, files, day, content), day, all, what, what != "of a later version") // see TestRepairLeavesOtherVersions
	}
	checkDamage(t, copyOf(t, files, log, files.Bytes(part)), log, all, "a segment for a log", true)
	for _, name := range []string{"2026-11-20.0009.wseg", "2026-11-21.0009.wseg"} {
		source := map[string]string{"2026-11-20.0009.wseg": day, "2026-11-21.0009.wseg": part}[name]
		doubled := copyOf(t, files, "", nil)
		doubled.SetBytes(dir+name, files.Bytes(source))
		s := openClocked(t, doubled, noon)
		got, stats := scanOrdered(t, s.Store, "eth0", 1, maxEnd)
		if diff := contentOf(t, all["eth0"], name).difference(contentOf(t, got, name)); diff != "" || stats.Corrupted != 0 {
			t.Errorf("%s is a copy: %+v\n%s", name, stats, diff)
		}
		mustCompact(t, s.Store, CompactOptions{})
		if got, _ := scanOrdered(t, s.Store, "eth0", 1, maxEnd); contentOf(t, all["eth0"], name).difference(contentOf(t, got, name)) != "" {
			t.Errorf("%s is a copy, compacted: it counts", name)
		}
	}
	renamed := copyOf(t, files, "", nil)
	renamed.SetBytes(dir+"2026-11-20.wseg.bak", files.Bytes(day))
	if err := renamed.Remove(day); err != nil {
		t.Fatal(err)
	}
	var named []Damage
	s := openClocked(t, renamed, noon)
	if _, err := s.Check(t.Context(), "eth0", func(d Damage) { named = append(named, d) }); err != nil || len(named) != 1 ||
		!strings.HasSuffix(named[0].File, ".bak") || !strings.Contains(named[0].Cause, "a segment") {
		t.Errorf("a renamed segment: %v, %v", named, err)
	}
}

// laterVersion is a segment whose header says that a later version wrote it.
func laterVersion(b []byte) []byte {
	b[8]++
	n := 16 + int(b[10])
	sum := checksum(b[:n])
	for i := range 4 {
		b[n+i] = byte(sum >> (8 * i))
	}
	return b
}

// TestClashingSegments: two segments that share some of their blocks cannot both count. One does, the other is named,
// and repair saves what stands in it alone.
func TestClashingSegments(t *testing.T) {
	make := func(now int64, ends ...int64) (*vfs.Memory, []visited) {
		files := vfs.NewMemory()
		s := openClocked(t, files, now)
		r := rand.New(rand.NewPCG(1, 1))
		var all []visited
		for i := range int64(4) {
			v := visited{interval(noon+i*300, uint64(i)), randomRecords(r, 6)}
			if slices.Contains(ends, i) {
				mustAppend(t, s.Store, "eth0", v.Interval, v.Records)
			}
			all = append(all, v)
		}
		mustCompact(t, s.Store, CompactOptions{All: true})
		_ = s.Close()
		return files, all
	}
	files, all := make(noon, 0, 1, 2)
	other, _ := make(noon, 2, 3)
	files.SetBytes("/db/interfaces/eth0/2026-11-21.0002.wseg", other.Bytes("/db/interfaces/eth0/2026-11-21.0001.wseg"))
	s := openClocked(t, files, noon)
	got, stats := scanOrdered(t, s.Store, "eth0", 1, maxEnd)
	if diff := contentOf(t, all[:3], "").difference(contentOf(t, got, "")); diff != "" || stats.Corrupted != 1 {
		t.Fatalf("%+v\n%s", stats, diff)
	}
	var repaired []Repaired
	if err := s.Repair(t.Context(), "eth0", false, func(r Repaired) { repaired = append(repaired, r) }); err != nil || len(repaired) != 1 {
		t.Fatal(repaired, err)
	}
	got, stats = scanOrdered(t, s.Store, "eth0", 1, maxEnd)
	if diff := contentOf(t, all, "").difference(contentOf(t, got, "")); diff != "" || stats.Corrupted != 0 {
		t.Errorf("repaired, %v: %+v\n%s", repaired, stats, diff)
	}
}

// TestRepairLeavesOtherVersions: what another version wrote is not damaged, and keeps its name.
func TestRepairLeavesOtherVersions(t *testing.T) {
	files, _ := compactedStore(t, 5)
	for _, name := range []string{"/db/interfaces/eth0/2026-11-20.wseg", "/db/interfaces/eth0/2026-11-21.wlog"} {
		later := copyOf(t, files, name, laterVersion(files.Bytes(name)))
		s := openClocked(t, later, noon)
		err := s.Repair(t.Context(), "eth0", false, func(r Repaired) { t.Error(r) })
		if err != nil || !slices.Contains(later.Files(), name) {
			t.Errorf("%s: %v, %v", name, err, later.Files())
		}
		named := 0
		if _, err := s.Check(t.Context(), "eth0", func(Damage) { named++ }); err != nil || named != 1 {
			t.Errorf("%s: %d places, %v", name, named, err)
		}
		_ = s.Close()
	}
}

// denied lets nobody open one file.
type denied struct {
	vfs.FS
	name string
}

func (d denied) Open(name string) (vfs.File, error) {
	if name == d.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Open(name)
}

// TestRepairLeavesWhatOthersOwn: a file that may not be opened is named, and keeps its name.
func TestRepairLeavesWhatOthersOwn(t *testing.T) {
	files, _ := compactedStore(t, 5)
	name := "/db/interfaces/eth0/2026-11-20.wseg"
	s, err := Open(Config{Path: "/db"}, Deps{FS: denied{files, name}, Now: func() time.Time { return time.Unix(noon, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Repair(t.Context(), "eth0", false, func(r Repaired) { t.Error(r) }); err != nil || !slices.Contains(files.Files(), name) {
		t.Error(err, files.Files())
	}
}
