package store

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// checkerRoot names the store that a copy of the test binary checks and reads; see TestFilesOfAnotherUser.
const checkerRoot = "WEIR_TEST_STORE_CHECKER"

// checkAll prints what is damaged, and what can be read.
func checkAll(root string) error {
	s, err := Open(Config{Path: root, ReadOnly: true}, Deps{})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Check(context.Background(), "eth0", func(d Damage) { fmt.Println("damage", d) }); err != nil {
		return err
	}
	stats, err := s.Scan(context.Background(), "eth0", 0, math.MaxInt64, func(flow.Interval, []flow.Record) error { return nil })
	fmt.Println("read", stats.Rows, "lost", stats.Corrupted)
	return err
}

// TestFilesOfAnotherUser: a process that may not read a file names it as lost and reads the others, with a log and with
// segments; a store that it may not read at all is an error that says so.
func TestFilesOfAnotherUser(t *testing.T) {
	testenv.RequireRoot(t)
	const nobody = 65534
	dir, err := os.MkdirTemp("", "weir-owner-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, root := filepath.Join(dir, "test"), filepath.Join(dir, "db")
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil { //nolint:gosec // every user is to run it
		t.Fatal(err)
	}
	s := openAt(t, vfs.OS{}, Config{Path: root}, noon)
	for i := range int64(3) { // two days that are over, and today
		mustAppend(t, s, "eth0", interval(noon-i*secondsPerDay, uint64(i)), []flow.Record{v4(1, 2, 3, flow.TCP, flow.Counters{BytesSent: 4})})
	}
	mustCompact(t, s, CompactOptions{All: true})
	mustAppend(t, s, "eth0", interval(noon+300, 9), []flow.Record{v4(1, 2, 3, flow.TCP, flow.Counters{BytesSent: 4})})
	_ = s.Close()
	run := func() string {
		child := exec.CommandContext(t.Context(), program)
		child.Dir, child.Env = "/", append(os.Environ(), checkerRoot+"="+root)
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // every user may enter
		t.Fatal(err)
	}
	if out := run(); !strings.Contains(out, "permission denied") || strings.Contains(out, "read") {
		t.Errorf("a store of another user: %s", out)
	}
	var names []string
	err = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		mode := os.FileMode(0o644)
		if err == nil && e.IsDir() {
			mode = 0o755
		} else if strings.HasPrefix(e.Name(), "2026-") {
			names = append(names, path)
		}
		return os.Chmod(path, mode)
	})
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	if out := run(); !slices.Contains(strings.Split(out, "\n"), "read 4 lost 0") {
		t.Errorf("all may be read: %s", out)
	}
	for _, name := range names {
		if err := os.Chmod(name, 0); err != nil {
			t.Fatal(err)
		}
		out := run()
		relative := "interfaces/eth0/" + filepath.Base(name)
		if !strings.Contains(out, "damage "+relative) || !strings.Contains(out, "permission denied") || !strings.Contains(out, "read 3 lost 1") {
			t.Errorf("%s may not be read: %s", relative, out)
		}
		if err := os.Chmod(name, 0o644); err != nil { //nolint:gosec // as before
			t.Fatal(err)
		}
	}
}
