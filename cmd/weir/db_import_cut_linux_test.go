package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/store"
)

// csvRows makes a file of so many rows of two interfaces in the order of time, and says how many bytes they count.
func csvRows(rows int) (text []byte, counted uint64) {
	var b bytes.Buffer
	b.WriteString("time,iface,sip,dip,dport,proto,packets sent,data vol. sent,packets received,data vol. received\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,eth%d,10.%d.%d.%d,10.0.0.1,443,6,1,%d,0,0\n", 1795219500+300*(i/2000), i%2, byte(i>>16), byte(i>>8), byte(i), i)
		counted += uint64(i)
	}
	return b.Bytes(), counted
}

// importCut imports from a pipe that gives the beginning of a file, and gives the process a signal then.
func importCut(t *testing.T, directory string, text []byte, signal os.Signal) (said string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "rows.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command := exec.Command(program)
	command.Args = []string{"weir", "db", "import", "-d", directory, "--csv", pipe}
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1) // what is said on stderr is there when it has something
	go func() { ended <- command.Wait() }()
	to, err := openPipe(pipe, ended)
	if err == nil {
		_, err = to.Write(text)
	}
	if err == nil {
		err = command.Process.Signal(signal)
	}
	if err != nil {
		_ = command.Process.Kill()
		<-ended
		t.Fatal(err, stderr.String())
	}
	for blank := bytes.Repeat([]byte("\n"), 1<<12); err == nil; { // until nobody reads them
		_, err = to.Write(blank)
	}
	_ = to.Close()
	if err := <-ended; err == nil {
		t.Errorf("%v: the import succeeded", signal)
	}
	return stderr.String()
}

// openPipe opens a pipe for a process that is to read it, once it does. A process that ends before is an error; how it
// ended is in ended then, still.
func openPipe(pipe string, ended chan error) (*os.File, error) {
	deadline := time.After(time.Minute)
	for {
		to, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if !errors.Is(err, syscall.ENXIO) { // nobody reads it
			return to, err
		}
		select {
		case end := <-ended:
			ended <- end
			return nil, fmt.Errorf("the import ended before it read: %w", cmp.Or(end, errors.New("as if it had read all")))
		case <-deadline:
			return nil, errors.New("the import has not begun to read")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestImportEndsBeforeItReads: an import that fails before it opens its file is waited for no longer.
func TestImportEndsBeforeItReads(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "rows.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ended <- errors.New("exit status 3")
	if _, err := openPipe(pipe, ended); err == nil || !strings.Contains(err.Error(), "exit status 3") || len(ended) != 1 {
		t.Error(err, len(ended))
	}
}

// TestImportCutShort: an import that is interrupted keeps nearly all rows that it read, one that is killed some or none;
// the same command then adds the others, and none twice.
func TestImportCutShort(t *testing.T) {
	const rows = 160_000
	text, counted := csvRows(rows)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		signal      os.Signal
		part, least int // of rows
	}{
		{syscall.SIGINT, 150_000, 80_000},
		{syscall.SIGINT, rows, 80_000},
		{syscall.SIGKILL, 70_000, 0},
		{syscall.SIGKILL, rows, 0},
	} {
		what := fmt.Sprintf("%v after %d rows", c.signal, c.part)
		directory := filepath.Join(t.TempDir(), "db")
		said := importCut(t, directory, text[:len(text)*c.part/rows], c.signal)
		kept := uint64(0)
		if _, err := os.Stat(filepath.Join(directory, "weir-store")); err == nil {
			kept = rowsOf(t, directory)
		}
		if kept < uint64(c.least) || kept > uint64(c.part) {
			t.Errorf("%s: %d rows are kept: %s", what, kept, said)
		}
		if c.signal == syscall.SIGINT && !strings.Contains(said, "what was imported until now stays") {
			t.Errorf("%s: %s", what, said)
		}
		var stdout, stderr bytes.Buffer
		again := importVerb{app: &app{stdout: &stdout, stderr: &stderr, now: nowInTests}, directory: directory, csv: file}
		if err := again.run(t.Context()); err != nil {
			t.Fatal(what, err)
		}
		if n, sum := sumOf(t, directory); n != rows || sum != counted {
			t.Errorf("%s, then in whole: %d rows of %d bytes, want %d of %d\n%s", what, n, sum, rows, counted, stdout.String())
		}
		t.Logf("%s: %d rows were kept", what, kept)
	}
}

// TestImportSelection: an import of one interface, then of all, of two exports in one file, each in the order of time, gives
// every row once.
func TestImportSelection(t *testing.T) {
	const rows = 100_000
	text, counted := csvRows(rows)
	_, second, _ := bytes.Cut(text, []byte("\n"))
	text = append(text, bytes.ReplaceAll(second, []byte(",10."), []byte(",11."))...)
	file, directory := filepath.Join(t.TempDir(), "rows.csv"), filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, interfaces := range [][]string{{"eth0"}, nil, {"eth1"}} {
		var stdout, stderr bytes.Buffer
		v := importVerb{app: &app{stdout: &stdout, stderr: &stderr, now: nowInTests}, directory: directory, csv: file, interfaces: interfaces}
		if err := v.run(t.Context()); err != nil {
			t.Fatal(interfaces, err, stderr.String())
		}
		n, sum := sumOf(t, directory)
		if i == 0 && n != rows || i > 0 && (n != 2*rows || sum != 2*counted) {
			t.Errorf("%v: %d rows of %d bytes\n%s", interfaces, n, sum, stdout.String())
		}
	}
}

// sumOf reads the rows of a store.
func sumOf(t *testing.T, directory string) (rows int, counted uint64) {
	t.Helper()
	s, err := store.Open(store.Config{Path: directory, ReadOnly: true}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, iface := range []string{"eth0", "eth1"} {
		stats, err := s.Scan(t.Context(), iface, 0, math.MaxInt64, func(_ flow.Interval, records []flow.Record) error {
			rows += len(records)
			for i := range records {
				counted += records[i].Counters.Bytes()
			}
			return nil
		})
		if err != nil || stats.Corrupted > 0 {
			t.Fatal(err, stats)
		}
	}
	return rows, counted
}
