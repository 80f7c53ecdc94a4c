package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// implementations are all file systems, each with a directory to work in.
func implementations(t *testing.T) map[string]struct {
	files FS
	root  string
} {
	return map[string]struct {
		files FS
		root  string
	}{
		"os":     {OS{}, t.TempDir()},
		"memory": {NewMemory(), "/"},
		"faulty": {NewFaulty(NewMemory()), "/"},
	}
}

func read(t *testing.T, files FS, name string) string {
	t.Helper()
	f, err := files.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("read %s: %d of %d bytes, %v", name, n, size, err)
	}
	return string(b)
}

func write(t *testing.T, f File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("write %d of %d bytes: %v", n, len(text), err)
	}
}

func try(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestSameEverywhere holds the implementations to one behaviour: that of the real file system.
func TestSameEverywhere(t *testing.T) {
	for name, impl := range implementations(t) {
		t.Run(name, func(t *testing.T) {
			files, dir := impl.files, filepath.Join(impl.root, "a", "b")
			try(t, files.MkdirAll(dir, 0o750), files.MkdirAll(dir, 0o750))
			path := filepath.Join(dir, "x")
			f, err := files.Create(path, 0o640)
			try(t, err)
			write(t, f, "hello")
			try(t, f.Sync(), f.Close())
			if _, err := files.Create(path, 0o640); !errors.Is(err, fs.ErrExist) {
				t.Errorf("create again: %v", err)
			}
			f, err = files.OpenAppend(path, 0o640)
			try(t, err)
			write(t, f, ", world")
			try(t, f.Truncate(9))
			write(t, f, "!")
			b := make([]byte, 4)
			if n, err := f.ReadAt(b, 8); n != 2 || !errors.Is(err, io.EOF) || string(b[:n]) != "o!" {
				t.Errorf("read past the end: %q, %v", b[:n], err)
			}
			if n, err := f.ReadAt(b, 99); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("read behind the end: %d, %v", n, err)
			}
			try(t, f.Close(), files.SyncDir(dir))
			if got := read(t, files, path); got != "hello, wo!" {
				t.Errorf("content %q", got)
			}
			testNames(t, files, dir)
		})
	}
}

func testNames(t *testing.T, files FS, dir string) {
	x, y := filepath.Join(dir, "x"), filepath.Join(dir, "y")
	f, err := files.OpenAppend(y, 0o640)
	try(t, err)
	write(t, f, "y")
	try(t, f.Close(), files.Rename(x, y))
	if got := read(t, files, y); got != "hello, wo!" {
		t.Errorf("after renaming: %q", got)
	}
	try(t, files.MkdirAll(filepath.Join(dir, "c"), 0o750))
	entries, err := files.ReadDir(dir)
	try(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%s %v", e.Name(), e.IsDir()))
	}
	if diff := cmp.Diff([]string{"c true", "y false"}, list); diff != "" {
		t.Error(diff)
	}
	info, err := files.Stat(y)
	try(t, err)
	if info.Name() != "y" || info.Size() != 10 || info.IsDir() || info.Mode() != 0o640 {
		t.Errorf("stat: %v %v %v", info.Name(), info.Size(), info.Mode())
	}
	if err := files.Remove(dir); err == nil {
		t.Error("a directory that is not empty was removed")
	}
	try(t, files.Remove(y))
	_, openErr := files.Open(y)
	_, statErr := files.Stat(x)
	_, dirErr := files.ReadDir(filepath.Join(dir, "none"))
	for i, err := range []error{openErr, statErr, dirErr, files.Remove(y), files.Rename(x, y), files.SyncDir(x)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("case %d without a file: %v", i, err)
		}
	}
	if _, err := files.Create(filepath.Join(dir, "none", "x"), 0o640); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("create without its directory: %v", err)
	}
}

func TestLock(t *testing.T) {
	for name, impl := range implementations(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(impl.root, "lock")
			first, err := impl.files.Lock(path, 0o640, "pid 1, the longer name")
			try(t, err)
			var locked *LockedError
			_, err = impl.files.Lock(path, 0o640, "pid 2")
			if !errors.As(err, &locked) || locked.Holder != "pid 1, the longer name" || !strings.Contains(err.Error(), "held by pid 1") {
				t.Errorf("second lock: %v", err)
			}
			try(t, first.Close())
			second, err := impl.files.Lock(path, 0o640, "pid 2")
			try(t, err)
			if _, err = impl.files.Lock(path, 0o640, "x"); !errors.As(err, &locked) || locked.Holder != "pid 2" {
				t.Errorf("third lock: %v", err)
			}
			try(t, second.Close())
		})
	}
}

func TestCrashForgetsWhatWasNotSynced(t *testing.T) {
	m := NewMemory()
	try(t, m.MkdirAll("/d/e", 0o750), m.SyncDir("/"), m.SyncDir("/d"))
	create := func(name string) File {
		f, err := m.Create(name, 0o640)
		try(t, err)
		return f
	}
	synced := create("/d/synced")
	write(t, synced, "kept")
	try(t, synced.Sync())
	write(t, synced, " lost")
	nameless := create("/d/e/nameless") // synced, but its directory is not
	try(t, nameless.Sync())
	empty := create("/d/empty") // its directory is synced, its bytes are not
	write(t, empty, "lost")
	try(t, m.SyncDir("/d"), m.MkdirAll("/d/f", 0o750))
	try(t, m.Rename("/d/synced", "/d/renamed"))

	after := m.Crash(nil)
	if diff := cmp.Diff([]string{"/d/empty", "/d/synced"}, after.Files()); diff != "" {
		t.Error(diff)
	}
	if got := read(t, after, "/d/synced"); got != "kept" {
		t.Errorf("%q", got)
	}
	if got := read(t, after, "/d/empty"); got != "" {
		t.Errorf("%q", got)
	}
	if _, err := after.Stat("/d/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that was not synced: %v", err)
	}
	if _, err := m.Stat("/d"); !errors.Is(err, ErrStopped) {
		t.Errorf("the crashed machine goes on: %v", err)
	}
}

// TestCrashWithLuck: over many crashes every outcome that a disk can show does show, and none that it cannot.
func TestCrashWithLuck(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		m := NewMemory()
		f, err := m.Create("/x", 0o640)
		try(t, err)
		write(t, f, "AB")
		try(t, f.Sync(), m.SyncDir("/"))
		write(t, f, "CD")
		g, err := m.Create("/y", 0o640)
		try(t, err, g.Sync())
		after := m.Crash(rand.New(rand.NewPCG(seed, 0)))
		got := read(t, after, "/x")
		if !strings.HasPrefix(got, "AB") || len(got) > 4 {
			t.Fatalf("synced bytes changed: %q", got)
		}
		seen[got] = true
		_, err = after.Stat("/y")
		seen[fmt.Sprint("y: ", err == nil)] = true
	}
	for _, want := range []string{"AB", "ABC", "ABCD", "ABC\x00", "AB\x00\x00", "y: true", "y: false"} {
		if !seen[want] {
			t.Errorf("never seen: %q", want)
		}
	}
}

func TestStopAfter(t *testing.T) {
	m := NewMemory()
	f, err := m.Create("/x", 0o640)
	try(t, err)
	m.StopAfter(1)
	write(t, f, "12")
	if n, err := f.Write([]byte("3456")); n != 2 || !errors.Is(err, ErrStopped) {
		t.Errorf("the last write: %d, %v", n, err)
	}
	if err := f.Sync(); !errors.Is(err, ErrStopped) {
		t.Errorf("sync after the stop: %v", err)
	}
	if m.Operations() != 3 {
		t.Errorf("%d operations", m.Operations())
	}
	if got := m.Bytes("/x"); string(got) != "1234" {
		t.Errorf("%q", got)
	}
}

func TestFaults(t *testing.T) {
	memory := NewMemory()
	f := NewFaulty(memory)
	f.FailOperation(2, syscall.EIO)
	file, err := f.Create("/x", 0o640)
	try(t, err)
	if n, err := file.Write([]byte("1234")); n != 2 || !errors.Is(err, syscall.EIO) {
		t.Errorf("failed write: %d, %v", n, err)
	}
	f.LimitSpace(3)
	if n, err := file.Write([]byte("5678")); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: %d, %v", n, err)
	}
	if n, err := file.Write([]byte("9")); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("another: %d, %v", n, err)
	}
	try(t, file.Truncate(1))
	write(t, file, "abcd")
	if got := string(memory.Bytes("/x")); got != "1abcd" {
		t.Errorf("%q", got)
	}
	f.UnlimitSpace()
	write(t, file, strings.Repeat("x", 1000))
	before := f.Operations()
	for i, op := range []func() error{
		func() error { _, err := f.Open("/x"); return err },
		func() error { _, err := f.OpenAppend("/x", 0); return err },
		func() error { return f.Rename("/x", "/z") },
		func() error { return f.Remove("/x") },
		func() error { return f.MkdirAll("/d", 0) },
		func() error { _, err := f.ReadDir("/"); return err },
		func() error { _, err := f.Stat("/x"); return err },
		func() error { return f.SyncDir("/") },
		func() error { _, err := f.Lock("/l", 0, ""); return err },
		func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err },
		file.Sync,
		func() error { return file.Truncate(0) },
	} {
		f.FailOperation(1, syscall.EIO)
		if err := op(); !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if n := f.Operations() - before; n != 12 {
		t.Errorf("%d operations counted, want 12", n)
	}
	if got := memory.Files(); len(got) != 1 {
		t.Errorf("failed operations did something: %v", got)
	}
}

func TestReadOnlyAndClosedFiles(t *testing.T) {
	for name, impl := range implementations(t) {
		path := filepath.Join(impl.root, "ro")
		f, err := impl.files.Create(path, 0o640)
		try(t, err, f.Close())
		if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: write to a closed file: %v", name, err)
		}
		if f, err = impl.files.Open(path); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Errorf("%s: a file opened for reading was written", name)
		}
		try(t, f.Close())
	}
}

func TestModesOfTheRealFileSystem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	try(t, OS{}.MkdirAll(dir, 0o750))
	f, err := OS{}.Create(filepath.Join(dir, "f"), 0o640)
	try(t, err, f.Close())
	for name, want := range map[string]fs.FileMode{dir: 0o750, f.Name(): 0o640} {
		info, err := os.Stat(name)
		try(t, err)
		if info.Mode().Perm()&^want != 0 {
			t.Errorf("%s: %v, want at most %v", name, info.Mode(), want)
		}
	}
}

func TestSpace(t *testing.T) {
	for name, i := range implementations(t) {
		space, err := i.files.Space(i.root)
		if err != nil || space.Total == 0 || space.Free > space.Total {
			t.Errorf("%s: %+v, %v", name, space, err)
		}
		if _, err := i.files.Space(filepath.Join(i.root, "absent")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: an absent path: %v", name, err)
		}
	}
}

// TestQuota: what does not fit is written in part, as on a full disk, and removing or cutting a file makes room.
func TestQuota(t *testing.T) {
	memory := NewMemory()
	memory.SetQuota(10)
	f, err := memory.Create("/a", 0o600)
	try(t, err)
	write(t, f, "123456")
	if n, err := f.Write([]byte("789abc")); n != 4 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d bytes written, %v", n, err)
	}
	if space, err := memory.Space("/"); err != nil || space != (Space{Total: 10}) {
		t.Fatalf("full: %+v, %v", space, err)
	}
	try(t, f.Truncate(6))
	write(t, f, "7890")
	g, err := memory.Create("/b", 0o600)
	try(t, err)
	if n, err := g.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d bytes written, %v", n, err)
	}
	try(t, memory.Remove("/a"))
	write(t, g, "0123456789")
	memory.SetQuota(0)
	write(t, g, "x")
}

// TestNoRegularFile: what stands where a file is due and is none is refused at once, also a pipe that nobody writes to.
func TestNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	try(t, syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link))
	lost := filepath.Join(dir, "lost")
	try(t, os.Symlink(filepath.Join(dir, "nowhere", "file"), lost))
	for _, name := range []string{pipe, link, os.DevNull, dir, lost} {
		for what, open := range map[string]func() (File, error){
			"read":   func() (File, error) { return OS{}.Open(name) },
			"append": func() (File, error) { return OS{}.OpenAppend(name, 0o600) },
		} {
			if f, err := open(); err == nil {
				t.Errorf("%s %s: no error", what, name)
				_ = f.Close()
			} else if !strings.Contains(err.Error(), name) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
	}
}
