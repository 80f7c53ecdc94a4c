package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/probe/vfs"
)

// smallStore makes a store of two interfaces and two days and returns its files and what is in it.
func smallStore(t *testing.T) (*vfs.Memory, map[string][]visited) {
	t.Helper()
	files, content := vfs.NewMemory(), map[string][]visited{}
	s := mustOpen(t, files, Config{})
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 9 {
		for _, iface := range []string{"eth0", "lo"} {
			b := visited{interval(noon+int64(i%3)*300-int64(i/6)*secondsPerDay, uint64(i)), randomRecords(r, i)}
			mustAppend(t, s, iface, b.Interval, b.Records)
			content[iface] = append(content[iface], b)
		}
	}
	for iface := range content {
		content[iface] = sortedByEnd(content[iface])
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return files, content
}

// copyOf is a file system with the same files, one of them replaced.
func copyOf(t *testing.T, files *vfs.Memory, name string, content []byte) *vfs.Memory {
	t.Helper()
	damaged := vfs.NewMemory()
	for _, f := range files.Files() {
		if err := damaged.MkdirAll(filepath.Dir(f), 0o750); err != nil {
			t.Fatal(err)
		}
		if damaged.SetBytes(f, files.Bytes(f)); f == name {
			damaged.SetBytes(f, content)
		}
	}
	return damaged
}

// checkDamaged holds that a damaged store gives right rows only and says what it lost: every block it visits is one
// that was written, blocks are missing only where a loss is counted, and other files are whole.
func checkDamaged(t *testing.T, files *vfs.Memory, damaged string, content map[string][]visited, what string) {
	t.Helper()
	s, err := Open(Config{Path: "/db", ReadOnly: true}, Deps{FS: files})
	if err != nil {
		if filepath.Base(damaged) != identityFile {
			t.Fatalf("%s: %v", what, err)
		}
		return
	}
	for iface, want := range content {
		got, stats := scan(t, s, iface, 0, allTime)
		lost := stats.Corrupted > 0 || stats.BytesTorn > 0
		if lost && !strings.Contains(damaged, "/"+iface+"/") {
			t.Fatalf("%s: loss on %s: %+v", what, iface, stats)
		}
		if len(got) < len(want) && !lost {
			t.Fatalf("%s: %d of %d blocks of %s, and no loss is counted", what, len(got), len(want), iface)
		}
		if stats.Corrupted > 0 && !strings.HasSuffix(damaged, stats.Damage[0].File) {
			t.Fatalf("%s: the damage is said to be %v", what, stats.Damage[0])
		}
		for _, b := range got {
			i := slices.IndexFunc(want, func(w visited) bool { return w.Interval == b.Interval })
			if i < 0 || !slices.Equal(want[i].Records, b.Records) {
				t.Fatalf("%s: a block that was never written: %+v", what, b.Interval)
			}
		}
	}
}

func TestEveryByteFlipped(t *testing.T) {
	files, content := smallStore(t)
	size := 0
	for _, name := range files.Files() {
		original := files.Bytes(name)
		size += len(original)
		for i := range original {
			for _, bits := range []byte{0x01, 0x80, 0xff} {
				flipped := bytes.Clone(original)
				flipped[i] ^= bits
				what := fmt.Sprintf("%s: byte %d ^ %#x", name, i, bits)
				checkDamaged(t, copyOf(t, files, name, flipped), name, content, what)
			}
		}
	}
	if size > 20_000 {
		t.Errorf("the store has %d bytes; the sweep is meant for less", size)
	}
}

func TestEveryCut(t *testing.T) {
	files, content := smallStore(t)
	for _, name := range files.Files() {
		if filepath.Ext(name) != logSuffix {
			continue
		}
		original := files.Bytes(name)
		index := indexOf(t, original, name)
		for n := range original {
			if slices.ContainsFunc(index.blocks, func(b block) bool { return b.offset == int64(n) }) {
				continue // a log that is cut between two blocks is a log with fewer blocks
			}
			checkDamaged(t, copyOf(t, files, name, original[:n]), name, content, fmt.Sprintf("%s cut to %d", name, n))
		}
	}
}

// indexOf reads the index of a log of the store in /db.
func indexOf(t *testing.T, content []byte, path string) logIndex {
	t.Helper()
	files := vfs.NewMemory()
	files.SetBytes("/log", content)
	f, err := files.Open("/log")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := parseFileName(filepath.Base(path))
	index, err := readIndex(f, path, filepath.Base(filepath.Dir(path)), d)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// TestDamageInTheMiddle: whatever replaces a part of a log, the blocks before and after it answer, and what is lost
// is counted to the byte.
func TestDamageInTheMiddle(t *testing.T) {
	files, content := smallStore(t)
	name := "/db/interfaces/eth0/2026-11-21.wlog"
	original := files.Bytes(name)
	blocks := indexOf(t, original, name).blocks
	second, third := blocks[1].offset, blocks[2].offset
	for what, damaged := range map[string][]byte{
		"cut out":  slices.Concat(original[:second+20], original[third-3:]),
		"zeroed":   slices.Concat(original[:second], make([]byte, third-second), original[third:]),
		"inserted": slices.Concat(original[:second], bytes.Repeat([]byte{0xB1, 'W', 'B', 'K'}, 9999), original[second:]),
		"doubled":  slices.Concat(original, original[blocks[0].offset:]),
	} {
		damagedFiles := copyOf(t, files, name, damaged)
		checkDamaged(t, damagedFiles, name, content, what)
		got, stats := scan(t, mustOpen(t, damagedFiles, Config{ReadOnly: true}), "eth0", 0, allTime)
		want := map[string]struct {
			blocks int
			lost   uint64
		}{"cut out": {8, 23}, "zeroed": {8, uint64(third - second)}, "inserted": {9, 4 * 9999}, "doubled": {9, 0}}[what]
		if len(got) != want.blocks || stats.BytesLost != want.lost {
			t.Errorf("%s: %d blocks, %d bytes lost, want %+v", what, len(got), stats.BytesLost, want)
		}
		if what == "doubled" && stats.Replays != uint64(len(blocks)) {
			t.Errorf("%s: %d replays", what, stats.Replays)
		}
		// A writer goes on behind the damage and leaves it as it is.
		writer := mustOpen(t, damagedFiles, Config{})
		mustAppend(t, writer, "eth0", interval(noon+900, 99), nil)
		if again, _ := scan(t, writer, "eth0", 0, allTime); len(again) != want.blocks+1 {
			t.Errorf("%s: %d blocks after an append, want one more than %d", what, len(again), want.blocks)
		}
	}
}

func TestFilesMovedAround(t *testing.T) {
	files, content := smallStore(t)
	one, two := "/db/interfaces/eth0/2026-11-21.wlog", "/db/interfaces/lo/2026-11-21.wlog"
	checkDamaged(t, copyOf(t, files, one, files.Bytes(two)), one, content, "log of another interface")
	yesterday := "/db/interfaces/eth0/2026-11-20.wlog"
	checkDamaged(t, copyOf(t, files, one, files.Bytes(yesterday)), one, content, "log of another day")
	headerless := files.Bytes(two)
	headerless[0] ^= 1
	checkDamaged(t, copyOf(t, files, one, headerless), one, content, "log of another interface, its header damaged")

	empty := copyOf(t, files, one, nil)
	_, stats := scan(t, mustOpen(t, empty, Config{ReadOnly: true}), "eth0", 0, allTime)
	if stats.Corrupted != 1 {
		t.Errorf("an empty log: %+v", stats)
	}
}

// TestUnreadableLog: a log that cannot be opened or read is named; the other day still answers.
func TestUnreadableLog(t *testing.T) {
	memory, content := smallStore(t)
	for operation, want := range map[int]string{5: "open: ", 6: "read: "} {
		files := vfs.NewFaulty(memory)
		s := mustOpen(t, files, Config{ReadOnly: true})
		files.FailOperation(operation, fs.ErrPermission) // the others list the files
		got, stats := scan(t, s, "eth0", 0, allTime)
		if len(got) == 0 || len(got) >= len(content["eth0"]) || stats.Corrupted != 1 {
			t.Fatalf("%s: %d of %d blocks, %+v", want, len(got), len(content["eth0"]), stats)
		}
		if d := stats.Damage[0]; d.File != "interfaces/eth0/2026-11-20.wlog" || d.Cause != want+fs.ErrPermission.Error() {
			t.Errorf("%v, want %s", d, want)
		}
	}
}
