package main

import (
	"bytes"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/demo/planted"
	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/probe/store"
)

// TestDocument runs the commands in docs/CLI.md, the lines "$ weir …" of its blocks of type console, and compares
// standard output with the lines below them. The flag -update rewrites those.
func TestDocument(t *testing.T) {
	path, err := filepath.Abs("../../docs/CLI.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := documented(t)
	var got []string
	commands, inBlock := 0, false
	for line := range strings.Lines(string(text)) {
		switch command, ok := strings.CutPrefix(line, "$ weir "); {
		case strings.HasPrefix(line, "```"):
			inBlock = line == "```console\n"
			got = append(got, line)
		case !inBlock:
			got = append(got, line)
		case ok:
			commands++
			var stdout, stderr bytes.Buffer
			a.stdout, a.stderr = &stdout, &stderr
			if code := a.run(t.Context(), queryargs.Split(onSockets(command, a)+" ").Words); code != 0 {
				t.Errorf("%s: exit code %d: %s", strings.TrimSpace(line), code, stderr.String())
			}
			got = append(got, line, strings.ReplaceAll(stdout.String(), filepath.Dir(a.socket), "/run/weir"))
		}
	}
	if commands < 8 {
		t.Errorf("%d commands only", commands)
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(got, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), strings.Join(got, "")); diff != "" {
		t.Errorf("docs/CLI.md (-want +got):\n%s", diff)
	}
}

// onSockets puts the sockets of the planted fleet for the addresses of its hosts.
func onSockets(command string, a *app) string {
	for _, name := range []string{"acme-zrh-r1", "acme-zrh-r2", "acme-ber-r1", "globex-nyc-r1"} {
		command = strings.ReplaceAll(command, "https://"+name+":8145", "unix:"+filepath.Join(filepath.Dir(a.socket), name))
	}
	return command
}

// listenAs serves a store as a probe on a socket.
func listenAs(t *testing.T, name, directory, socket string) {
	t.Helper()
	s, err := store.Open(store.Config{Path: directory, ReadOnly: true}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := probeHandler(name, s)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	if server.Listener, err = net.Listen("unix", socket); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() { server.Close(); s.Close() })
}

// documented is a machine with a probe that captures, and its store in the directory store; beside it the probes of a
// planted fleet listen on sockets that have their names.
func documented(t *testing.T) *app {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := makeStore("store"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("list.txt", []byte("# from a report\n192.0.2.1\n198.51.100.0/24\n10.1.2.3\nn/a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listenAs(t, "alpha", "store", "probe.sock")
	hosts, answers, err := planted.Fleet(t.Context(), "fleet", planted.Config{Now: now, Days: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		listenAs(t, h.Name, h.Directory, h.Name)
	}
	if err := os.WriteFile("indicators.csv", []byte(answers.Actor.List), 0o600); err != nil {
		t.Fatal(err)
	}
	a := standard()
	a.now, a.socket, a.directory = func() time.Time { return now }, filepath.Join(dir, "probe.sock"), "store"
	return a
}
