package store

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// foreignStore makes a store of three days with directories and a pipe under names of its files, and returns its
// path, their names, and what is in it.
func foreignStore(t *testing.T) (root string, names []string, all []visited) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "db")
	s := openAt(t, vfs.OS{}, Config{Path: root}, noon)
	r := rand.New(rand.NewPCG(8, 8))
	for i := range int64(3) {
		v := visited{interval(noon-i*secondsPerDay, uint64(i)), randomRecords(r, 6)}
		mustAppend(t, s, "eth0", v.Interval, v.Records)
		all = append(all, v)
	}
	mustCompact(t, s, CompactOptions{All: true})
	_ = s.Close()
	names = []string{"2026-11-17.wlog", "2026-11-18.wseg", "2026-11-20.0001.wseg", "2026-11-21.0002.wseg", "2026-11-21.wlog"}
	for i, name := range names {
		path := filepath.Join(root, "interfaces", "eth0", name)
		var err error
		switch i {
		case 2:
			err = syscall.Mkfifo(path, 0o600)
		case 3:
			err = os.Mkdir(path, 0o700)
		default:
			if err = os.Mkdir(path, 0o700); err == nil {
				err = os.WriteFile(filepath.Join(path, "somebody's"), []byte("bytes"), 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root, names, all
}

// holdForeign holds that all rows answer, and that a scan and a check name what is foreign and nothing else.
func holdForeign(t *testing.T, s *Store, all []visited, names ...string) {
	t.Helper()
	got, stats := scanOrdered(t, s, "eth0", 1, maxEnd)
	if diff := contentOf(t, all, "").difference(contentOf(t, got, "")); diff != "" {
		t.Error(diff)
	}
	var checked []Damage
	if _, err := s.Check(t.Context(), "eth0", func(d Damage) { checked = append(checked, d) }); err != nil {
		t.Error(err)
	}
	for what, list := range map[string][]Damage{"scan": stats.Damage, "check": checked} {
		found := []string(nil)
		for _, d := range list {
			found = append(found, filepath.Base(d.File))
			if d.Bytes != 0 || !strings.Contains(d.Cause, "foreign") || !strings.Contains(d.Cause, "move it elsewhere") {
				t.Errorf("%s: %v", what, d)
			}
		}
		if slices.Sort(found); !slices.Equal(found, names) {
			t.Errorf("%s names %v, there are %v", what, found, names)
		}
	}
}

// TestForeign: what has the name of a segment or of a log and is no file is named by whoever looks, hides nothing,
// keeps nothing from being stored, compacted or pruned, and is set aside by repair as it is.
func TestForeign(t *testing.T) {
	root, names, all := foreignStore(t)
	reader := openAt(t, vfs.OS{}, Config{Path: root, ReadOnly: true}, noon)
	holdForeign(t, reader, all, names...)

	s := openAt(t, vfs.OS{}, Config{Path: root, Retention: Retention{MaxAge: dayLength}}, noon)
	v := visited{interval(noon+300, 9), randomRecords(rand.New(rand.NewPCG(9, 9)), 6)}
	mustAppend(t, s, "eth0", v.Interval, v.Records) // into the log in whose place the directory is
	all, names = append(all, v), names[:4]
	holdForeign(t, s, all, names...)
	mustCompact(t, s, CompactOptions{All: true})
	holdForeign(t, s, all, names...)

	var aside []string
	visit := func(r Repaired) { aside = append(aside, filepath.Base(r.File)+" "+r.Aside) }
	if err := s.Repair(t.Context(), "eth0", false, visit); err != nil || len(aside) != len(names) {
		t.Fatal(aside, err)
	}
	holdForeign(t, s, all)
	for i, name := range names {
		if aside[i] != name+" "+name+damagedSuffix {
			t.Errorf("set aside %q", aside[i])
		}
	}
	if b, err := os.ReadFile(filepath.Join(root, "interfaces", "eth0", names[1]+damagedSuffix, "somebody's")); string(b) != "bytes" {
		t.Error(b, err)
	}

	if _, err := s.Prune(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if days, err := s.Days("eth0"); err != nil || len(days) != 2 {
		t.Error(days, err)
	}
}

// TestForeignRecovery: what is foreign takes no place of the logs that are recovered when the store is opened, and that it
// is there is no error.
func TestForeignRecovery(t *testing.T) {
	root := filepath.Join(t.TempDir(), "db")
	s := openAt(t, vfs.OS{}, Config{Path: root}, noon)
	v := visited{interval(noon, 0), randomRecords(rand.New(rand.NewPCG(7, 7)), 6)}
	mustAppend(t, s, "eth0", v.Interval, v.Records)
	_ = s.Close()
	names := []string{"2026-11-22.wlog", "2026-11-23.wlog", "2026-11-24.wlog"}
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(root, "interfaces", "eth0", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	logs, err := filepath.Glob(filepath.Join(root, "interfaces", "eth0", "2026-11-21.wlog"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	whole, err := os.ReadFile(logs[0])
	if err == nil {
		err = os.WriteFile(logs[0], append(whole, "torn"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	s, err = Open(Config{Path: root}, Deps{Logger: slog.New(slog.NewTextHandler(&said, nil)), Now: func() time.Time { return time.Unix(noon, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if n := s.WriteStats().BytesTruncated; n != 4 || strings.Contains(said.String(), "level=ERROR") {
		t.Errorf("%d bytes are cut off, 4 are torn: %s", n, said.String())
	}
	holdForeign(t, s, []visited{v}, names...)
}

// TestForeignIsPrunedAround: days go though what is foreign among their files stays.
func TestForeignIsPrunedAround(t *testing.T) {
	root, names, all := foreignStore(t)
	s := openAt(t, vfs.OS{}, Config{Path: root, Retention: Retention{MaxAge: dayLength}}, noon)
	if report, err := s.Prune(t.Context(), false); err != nil || len(report.Days) != 1 {
		t.Fatal(report, err)
	}
	holdForeign(t, s, all[:2], names...)
}
