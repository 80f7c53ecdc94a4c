package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// childRoot names the store that a copy of the test binary writes; see TestKill.
const childRoot = "WEIR_TEST_STORE_CHILD"

func TestMain(m *testing.M) {
	if root := os.Getenv(childRoot); root != "" {
		fmt.Println(appendForever(root))
		os.Exit(1)
	}
	if root := os.Getenv(compactorRoot); root != "" {
		fmt.Println(compactForever(root))
		os.Exit(1)
	}
	if root := os.Getenv(checkerRoot); root != "" {
		fmt.Println(checkAll(root))
		os.Exit(0)
	}
	if root := os.Getenv(builderRoot); root != "" {
		err := buildDay(root)
		printPeak()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendForever is what the process does that TestKill kills. It returns an error, if anything.
func appendForever(root string) error {
	s, err := Open(Config{Path: root}, Deps{})
	if err != nil {
		return err
	}
	next := uint64(0)
	if _, last, err := s.Coverage("eth0"); err != nil {
		return err
	} else if last > 0 {
		next = uint64(last-noon) + 1
	}
	for ; ; next++ {
		rows := []flow.Record{v4(uint32(next), 1, 2, flow.TCP, flow.Counters{BytesSent: next})}
		if err := s.Append(context.Background(), "eth0", interval(noon+int64(next), next), rows); err != nil {
			return err
		}
		fmt.Printf("acknowledged %d\n", next)
	}
}

// TestKill kills a writing process, again and again: what it said to be stored is there, once, and the next process
// goes on.
func TestKill(t *testing.T) {
	root := filepath.Join(t.TempDir(), "db")
	acknowledged := uint64(0)
	for round := range 5 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childRoot+"="+root)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, seen := bufio.NewScanner(out), 0
		for lines.Scan() {
			if n, err := fmt.Sscanf(lines.Text(), "acknowledged %d", &acknowledged); n == 1 && err == nil {
				if seen++; seen == 10+7*round {
					if err := child.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		_ = child.Wait() // says that it was killed
		if seen < 10+7*round {
			t.Fatalf("round %d: the child ended by itself after %d blocks", round, seen)
		}
		s := mustOpen(t, vfs.OS{}, Config{Path: root})
		got, stats := scan(t, s, "eth0", 0, allTime)
		if uint64(len(got)) < acknowledged+1 || stats.Corrupted+stats.BytesTorn+stats.Replays != 0 {
			t.Fatalf("round %d: %d blocks, %d acknowledged, %+v", round, len(got), acknowledged+1, stats)
		}
		for i, b := range got {
			if b.Interval.Sequence != uint64(i) || len(b.Records) != 1 || b.Records[0].Counters.BytesSent != uint64(i) {
				t.Fatalf("round %d: block %d is %+v", round, i, b)
			}
		}
		_ = s.Close()
	}
}

// TestFullTmpfs fills a real file system.
func TestFullTmpfs(t *testing.T) {
	testenv.RequireRoot(t)
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := mustOpen(t, vfs.OS{}, Config{Path: filepath.Join(root, "db")})
	t.Cleanup(func() { _ = s.Close() })
	ballast := filepath.Join(root, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := make([]flow.Record, 500)
	for i := range rows {
		rows[i] = v4(uint32(i)*40503, uint32(i)*2654435, uint16(i*7919), flow.TCP, flow.Counters{BytesSent: uint64(i) << 30, PacketsSent: uint64(i) << 20})
	}
	stored := uint64(0)
	var err error
	for err == nil {
		if err = s.Append(context.Background(), "eth0", interval(noon+int64(stored), stored), rows); err == nil {
			stored++
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "eth0") {
		t.Fatal(err)
	}
	if got, stats := scan(t, s, "eth0", 0, allTime); uint64(len(got)) != stored || stats.BytesTorn+stats.BytesLost != 0 {
		t.Errorf("%d blocks on a full disk, %d stored, %+v", len(got), stored, stats)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, "eth0", interval(noon+int64(stored), stored), rows)
	if got, _ := scan(t, s, "eth0", 0, allTime); uint64(len(got)) != stored+1 {
		t.Errorf("%d blocks with room again, %d stored", len(got), stored+1)
	}
}
