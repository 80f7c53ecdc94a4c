package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestNoStore: whoever reads a store says in the same words that there is none, or that it may not be read, and what
// to do.
func TestNoStore(t *testing.T) {
	store := filepath.Join(t.TempDir(), "db")
	if err := makeStore(store); err != nil {
		t.Fatal(err)
	}
	verbs := [][]string{{"db", "dump", "-d"}, {"db", "stat", "-d"}, {"db", "check", "-d"}, {"db", "repair", "-d"},
		{"query", "-i", "eth0", "sip", "-d"}, {"list", "-d"}}
	say := func(verb []string, directory string) string {
		var stderr bytes.Buffer
		a := &app{stdout: io.Discard, stderr: &stderr, now: nowInTests, directory: "/var/lib/weir", getenv: func(string) string { return "" }}
		if code := a.run(t.Context(), append(verb, directory)); code != 1 {
			t.Errorf("%v: exit code %d", verb, code)
		}
		return stderr.String()
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, verb := range verbs {
		want := "weir: no store in " + nowhere + "\nhint: name the directory that weir-probe writes to, by default /var/lib/weir"
		if said := say(verb, nowhere); !strings.HasPrefix(said, want) {
			t.Errorf("%v: %s", verb, said)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can open files as somebody else")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread, which opens files as somebody else now, ends with the goroutine
		if err := syscall.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		for _, verb := range verbs {
			if said := say(verb, store); !strings.Contains(said, "permission denied\nhint: run as root or as a member of the store's group") {
				t.Errorf("%v: %s", verb, said)
			}
		}
	}()
	<-done
}
