package godb

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// TestSalvage reproduces goProbe's fault: blocks that do not compress, written compressed and then raw over each other.
func TestSalvage(t *testing.T) {
	const rows = 3000
	r := rand.New(rand.NewPCG(56, 1))
	root := t.TempDir()
	d := &testDay{day: testDayStart, encoder: 3, bug: true}
	for i := range int64(3) {
		d.add(testBlock{end: d.day + 300*(i+1), records: v4Records(r, rows)})
	}
	d.save(t, root, "eth0")
	// The block begins with one run of 12000 literals: f0, 47 × ff, 00.
	head := append(append([]byte{0xf0}, bytes.Repeat([]byte{0xff}, 47)...), 0)
	if !bytes.HasPrefix(d.columns[0], head) || len(d.columns[0]) != 3*12000+49+12000 || d.ends[0] != 36000 {
		t.Fatalf("the fault is not reproduced: % x, %d bytes, recorded %d", d.columns[0][:50], len(d.columns[0]), d.ends[0])
	}
	var told []Damage
	db, err := Open(Config{Path: root}, Deps{Damaged: func(d Damage) { told = append(told, d) }})
	if err != nil {
		t.Fatal(err)
	}
	all, stats := scanAll(t, db, "eth0", 0, everything)
	if len(all) != 3 || stats.Salvaged != 3 || stats.Corrupted != 2 || len(told) != 3 {
		t.Fatalf("%d intervals, statistics %+v, told %v", len(all), stats, told)
	}
	// k+2 = 49 bytes of each address column and 25 of the ports are lost: 13 rows of 3000.
	for i, kept := range []int{rows - 13, rows - 13, rows} {
		if want := sorted(d.blocks[i].records)[:kept]; !slices.Equal(all[i].records, want) {
			t.Errorf("block %d: %d rows, want the first %d", i, len(all[i].records), kept)
		}
		if told[i].RowsKept != uint64(kept) || told[i].RowsLost != uint64(rows-kept) || told[i].Block != i {
			t.Errorf("block %d is told as %+v", i, told[i])
		}
	}
	if stats.RowsLost != 26 || stats.Rows != 3*rows-26 {
		t.Errorf("statistics %+v", stats)
	}
	want := "eth0/2016/02/" + d.name() + ": block 0 of day 2016-02-25 (00:05:00): goProbe's writer stored it damaged: 13 rows lost, 2987 salvaged"
	if got := stats.Damage[0].String(); got != want {
		t.Errorf("damage is called\n%s, want\n%s", got, want)
	}
	// What was the last block is cut when the next one is written, and is the same interval nevertheless.
	d.add(testBlock{end: d.day + 1200, records: v4Records(r, 5000)})
	again := filepath.Join(t.TempDir(), "again")
	d.save(t, again, "eth0")
	later, _ := scanAll(t, mustOpen(t, again), "eth0", 0, everything)
	if later[2].interval.Boot != all[2].interval.Boot || len(later[2].records) != rows-13 {
		t.Errorf("the block that was last: %d rows, same identity %v", len(later[2].records), later[2].interval.Boot == all[2].interval.Boot)
	}
}

// TestSalvageShapes: matches within the stream, IPv6 rows at the end, raw forms that are overwritten in part.
func TestSalvageShapes(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		root := t.TempDir()
		d := &testDay{day: testDayStart, encoder: 3, bug: true}
		for i := range int64(1 + r.IntN(4)) {
			records := v4Records(r, 1100+r.IntN(3000))
			if r.IntN(2) == 0 {
				for i := range records[:len(records)/3] {
					records[i].Key.Family = flow.IPv6
					for j := range 3 {
						copy(records[i].Key.Source[4*j+4:], v4Records(r, 1)[0].Key.Source[:4])
					}
				}
			}
			if r.IntN(2) == 0 { // a few matches
				for i := range records[:30] {
					records[i].Key.Source = records[0].Key.Source
				}
			}
			if r.IntN(3) == 0 {
				records = records[:r.IntN(10)]
			}
			d.add(testBlock{end: d.day + 300*(i+1), records: records})
		}
		d.save(t, root, "eth0")
		all, stats := scanAll(t, mustOpen(t, root), "eth0", 0, everything)
		if len(all) != len(d.blocks) {
			t.Fatalf("seed %d: %d intervals, want %d: %+v", seed, len(all), len(d.blocks), stats)
		}
		for i, b := range d.blocks {
			written := map[flow.Record]bool{}
			for _, record := range b.records {
				written[record] = true
			}
			for _, record := range all[i].records {
				if !written[record] {
					t.Fatalf("seed %d: block %d: row %v was never written", seed, i, record)
				}
			}
			lost := len(b.records) - len(all[i].records)
			if lost > len(b.records)/60+8 || lost > 0 && i == len(d.blocks)-1 {
				t.Errorf("seed %d: block %d: %d of %d rows lost", seed, i, lost, len(b.records))
			}
		}
	}
}

// TestRawIsNotSalvaged: raw blocks of a database that does not compress are what they are, whatever they begin with.
func TestRawIsNotSalvaged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 77))
	root := t.TempDir()
	d := &testDay{day: testDayStart, encoder: 1}
	for i := range int64(20) {
		records := v4Records(r, 2000)
		for j := range records {
			records[j].Key.Source[0], records[j].Key.Source[1] = byte(0xf0-i), byte(0xff*(i%2))
			if i > 15 {
				records[j].Key.Source = flow.Address{0xc0, 4, 0, 1}
			}
		}
		d.add(testBlock{end: d.day + 300*(i+1), records: records})
	}
	d.save(t, root, "eth0")
	all, stats := scanAll(t, mustOpen(t, root), "eth0", 0, everything)
	checkBlocks(t, all, d.blocks)
	if stats.Salvaged != 0 {
		t.Errorf("%d blocks salvaged", stats.Salvaged)
	}
}

// threeDays is a database of three days with five blocks each.
func threeDays(t *testing.T) (root string, days []*testDay, dirs []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 1))
	root = t.TempDir()
	for n := range int64(3) {
		d := &testDay{day: testDayStart + n*secondsPerDay, encoder: 3}
		for i := range int64(5) {
			d.add(testBlock{end: d.day + 300*(i+1), records: randomRecords(r, 20, 10)})
		}
		days, dirs = append(days, d), append(dirs, d.save(t, root, "eth0"))
	}
	return root, days, dirs
}

func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, dir string, d *testDay) // the second day
		blocks int                                        // of the second day that still answer
		cause  string                                     // of the first damage; "": none
	}{
		"cut column": {func(t *testing.T, dir string, d *testDay) {
			truncate(t, filepath.Join(dir, "dip.gpf"), int64(d.spans[1][0].stored+d.spans[1][1].stored+1))
		}, 2, "the file ends at"},
		"missing column": {func(t *testing.T, dir string, _ *testDay) { remove(t, filepath.Join(dir, "proto.gpf")) }, 0, "the file is missing"},
		"column is a directory": {func(t *testing.T, dir string, _ *testDay) {
			remove(t, filepath.Join(dir, "proto.gpf"))
			mkdir(t, filepath.Join(dir, "proto.gpf"))
		}, 0, "not a file"},
		"longer column": {func(t *testing.T, dir string, d *testDay) {
			put(t, filepath.Join(dir, "sip.gpf"), append(slices.Clone(d.columns[0]), "the writer died here"...))
		}, 5, ""},
		"empty metadata":   {func(t *testing.T, dir string, _ *testDay) { truncate(t, filepath.Join(dir, metaName), 0) }, 0, "the file is empty"},
		"cut metadata":     {func(t *testing.T, dir string, _ *testDay) { truncate(t, filepath.Join(dir, metaName), 400) }, 0, "the file is cut off"},
		"tiny metadata":    {func(t *testing.T, dir string, _ *testDay) { truncate(t, filepath.Join(dir, metaName), 10) }, 0, "the file is cut off"},
		"missing metadata": {func(t *testing.T, dir string, _ *testDay) { remove(t, filepath.Join(dir, metaName)) }, 0, "no such file"},
		"being made": {func(t *testing.T, dir string, d *testDay) {
			remove(t, filepath.Join(dir, metaName))
			rename(t, dir, filepath.Join(filepath.Dir(dir), fmt.Sprint(d.day)))
		}, 0, ""},
		"gone":            {func(t *testing.T, dir string, _ *testDay) { remove(t, dir) }, 0, ""},
		"future metadata": {metaByte(7, 2), 0, "version 2"},
		"too many blocks": {metaByte(12, 1), 0, "the file is cut off"},
		"unknown encoder": {metaByte(72+8+8, 9), 4, "unknown encoder 9"},
		"wrong encoder":   {metaByte(72+8+8, 2), 4, "magic number mismatch"},
		"wrong raw":       {metaByte(72+8+7, 1), 4, "bytes of sip for"},
		"huge raw":        {metaByte(72+8+4, 255), 4, "bytes of sip for"},
		"wrong time":      {metaByte(72+8*(8+45)+8+2*16+12, 60), 2, "is not of this day"},
		"wrong count":     {metaByte(72+8*(8+45)+8+3, 255), 4, "of them IPv4"},
		"stale metadata": {func(t *testing.T, dir string, d *testDay) { // metadata reached the disk, columns did not
			for c := range columnNames {
				truncate(t, filepath.Join(dir, columnNames[c]+".gpf"), int64(len(d.columns[c])-1))
			}
		}, 4, "the file ends at"},
		"zeros instead of a column": {func(t *testing.T, dir string, d *testDay) {
			put(t, filepath.Join(dir, "bytes_sent.gpf"), make([]byte, len(d.columns[5])))
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root, days, dirs := threeDays(t)
			c.spoil(t, dirs[1], days[1])
			all, stats := scanAll(t, mustOpen(t, root), "eth0", 0, everything)
			second := 0
			for _, g := range all {
				if g.interval.End-1 >= days[1].day && g.interval.End <= days[2].day {
					second++
				}
			}
			if len(all)-second != 10 || second != c.blocks {
				t.Errorf("%d blocks of the day and %d others, want %d and 10", second, len(all)-second, c.blocks)
			}
			if name == "zeros instead of a column" {
				return // the cause depends on how the blocks are encoded
			}
			if (stats.Corrupted > 0) != (c.cause != "") {
				t.Fatalf("damage %v", stats.Damage)
			}
			if c.cause == "" {
				return
			}
			first := stats.Damage[0]
			if !strings.Contains(first.Cause, c.cause) || first.Day != days[1].day || first.RowsLost == 0 ||
				!strings.HasPrefix(first.File, "eth0/2016/02/") || first.Interface != "eth0" {
				t.Errorf("damage %+v, want cause %q", first, c.cause)
			}
		})
	}
}

func metaByte(at int, value byte) func(*testing.T, string, *testDay) {
	return func(t *testing.T, dir string, d *testDay) {
		b := d.meta()
		b[at] = value
		put(t, filepath.Join(dir, metaName), b)
	}
}

func truncate(t *testing.T, name string, size int64) {
	t.Helper()
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestEveryByte spoils every byte of a small database in several ways, and cuts every file at every byte: no panic, no
// error, and what is right again afterwards is read again.
func TestEveryByte(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	d := &testDay{day: testDayStart, encoder: 3}
	for i := range int64(3) {
		d.add(testBlock{end: d.day + 300*(i+1), records: randomRecords(r, 30, 6)})
	}
	dir := d.save(t, t.TempDir(), "eth0")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := vfs.NewMemory()
	inMemory := filepath.Join("/db/eth0/2016/02", filepath.Base(dir))
	if err := files.MkdirAll(inMemory, 0o755); err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		f, err := files.Create(filepath.Join(inMemory, e.Name()), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		contents[filepath.Join(inMemory, e.Name())] = b
		files.SetBytes(filepath.Join(inMemory, e.Name()), b)
	}
	db, err := Open(Config{Path: "/db"}, Deps{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for name, right := range contents {
		try := func(wrong []byte) {
			files.SetBytes(name, wrong)
			if all, stats := scanAll(t, db, "eth0", 0, everything); len(all) < len(d.blocks) {
				lost++
				if stats.Corrupted == 0 && len(wrong) < len(right) {
					t.Errorf("%s cut at %d: %d blocks, and no damage", name, len(wrong), len(all))
				}
			}
		}
		for at := range right {
			for _, bits := range []byte{0x01, 0x80, 0xff} {
				wrong := slices.Clone(right)
				wrong[at] ^= bits
				try(wrong)
			}
			try(right[:at])
		}
		files.SetBytes(name, right)
	}
	if lost == 0 {
		t.Error("nothing was spoiled")
	}
	all, _ := scanAll(t, db, "eth0", 0, everything)
	checkBlocks(t, all, d.blocks)
}

// TestDoubleDays: an older copy of a day is not counted twice, and what only it has is.
func TestDoubleDays(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	root := t.TempDir()
	d := &testDay{day: testDayStart, encoder: 3}
	for i := range int64(4) {
		d.add(testBlock{end: d.day + 300*(i+1), records: randomRecords(r, 20, 0)})
		if i == 1 {
			d.saveAs(t, filepath.Join(root, "eth0", "2016", "02", fmt.Sprint(d.day)))
		}
	}
	d.save(t, root, "eth0")
	other := &testDay{day: testDayStart, encoder: 2} // the same day, written with another zone
	other.add(d.blocks[0])
	other.add(testBlock{end: d.blocks[1].end, records: randomRecords(r, 7, 0)})
	other.saveAs(t, filepath.Join(root, "eth0", "2016", "01", other.name()))
	all, stats := scanAll(t, mustOpen(t, root), "eth0", 0, everything)
	if stats.Replays != 3 || len(all) != 5 {
		t.Fatalf("%d intervals, statistics %+v", len(all), stats)
	}
	covered := int64(0)
	for _, g := range all {
		covered += int64(g.interval.Duration.Seconds())
	}
	if covered != 1200 {
		t.Errorf("%d s are covered, want 1200", covered)
	}
}

// renamer renames a directory when a file in it is opened for the n-th time.
type renamer struct {
	vfs.OS
	left int
	do   func()
}

func (r *renamer) Stat(name string) (fs.FileInfo, error) {
	if r.left--; r.left == 0 {
		r.do()
	}
	return r.OS.Stat(name)
}

// TestRename renames the day's directory before each of the files is opened.
func TestRename(t *testing.T) {
	for n := 1; n <= 9; n++ {
		root, days, dirs := threeDays(t)
		to := dirs[1] + "X"
		files := &renamer{left: 9 + n, do: func() { rename(t, dirs[1], to) }} // nine files of the first day
		db, err := Open(Config{Path: root}, Deps{FS: files})
		if err != nil {
			t.Fatal(err)
		}
		all, stats := scanAll(t, db, "eth0", 0, everything)
		if stats.Corrupted != 0 {
			t.Fatalf("renamed before file %d: %v", n, stats.Damage)
		}
		checkBlocks(t, all, slices.Concat(days[0].blocks, days[1].blocks, days[2].blocks))
		if _, err := os.Stat(to); err != nil {
			t.Fatal("nothing was renamed")
		}
	}
}

// TestUnlistable: a month that cannot be listed is named, the others answer.
func TestUnlistable(t *testing.T) {
	root, _, _ := threeDays(t)
	mkdir(t, filepath.Join(root, "eth0", "2017"))
	mkdir(t, filepath.Join(root, "eth0", "2017", "01"))
	files := &unlistable{name: filepath.Join(root, "eth0", "2017", "01")}
	db, err := Open(Config{Path: root}, Deps{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	all, stats := scanAll(t, db, "eth0", 0, everything)
	if len(all) != 15 || stats.Corrupted != 1 || !strings.Contains(stats.Damage[0].String(), "eth0/2017/01: all days in it: ") {
		t.Errorf("%d intervals, damage %v", len(all), stats.Damage)
	}
}

type unlistable struct {
	vfs.OS
	name string
}

func (u *unlistable) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.OS.ReadDir(name)
}

// TestMemoryIsBounded: metadata that promise more than the files can hold cost nothing.
func TestMemoryIsBounded(t *testing.T) {
	root, days, dirs := threeDays(t)
	const rows = MaxRows
	for c, raw := range []uint32{4 * rows, 4 * rows, rows, 2 * rows, rows + 1, rows + 1, rows + 1, rows + 1} {
		days[1].spans[c][0] = testSpan{stored: 1 << 20, raw: raw, encoder: []byte{0, 2, 3}[c%3]}
		days[1].spans[c][1] = testSpan{stored: 1, raw: raw, encoder: encoderLZ4}
	}
	b := days[1].meta()
	for i := range 2 { // the number of IPv4 rows
		copy(b[72+8*(8+45)+8+16*i:], []byte{1, 0, 0, 0})
	}
	put(t, filepath.Join(dirs[1], metaName), b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	all, stats := scanAll(t, mustOpen(t, root), "eth0", 0, everything)
	runtime.ReadMemStats(&after)
	if len(all) != 10 || stats.Corrupted != 5 {
		t.Errorf("%d blocks, damage %v", len(all), stats.Damage)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}
