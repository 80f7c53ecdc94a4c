//go:build linux

package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// demoTime bounds a run of the demo, of which it uses two thirds at most to have something to show.
const demoTime = 3 * time.Minute

// The demo's traffic, as its answers name it: host, source, destination, port, protocol.
var (
	labTraffic = []string{
		"workstation 192.0.2.10 192.0.2.30 22 TCP", "services 192.0.2.10 192.0.2.30 53 UDP",
		"workstation 2001:db8::10 2001:db8::30 echo-request IPV6-ICMP", "web 2001:db8::30 2001:db8::20 80 TCP",
	}
	loopbackTraffic = []string{
		"workstation 127.0.0.1 127.0.0.1 18022 TCP", "services 127.0.0.1 127.0.0.1 18053 UDP", "web ::1 ::1 18080 TCP",
	}
)

func TestDemoOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, mode, says string
		nobody           bool
		traffic          []string
	}{
		{name: "namespaces", mode: "namespaces", says: "live, on veth pairs", traffic: labTraffic},
		{name: "interfaces", mode: "interfaces", says: "live, on this machine's loopback interface", traffic: loopbackTraffic},
		{name: "traces", mode: "traces", says: "over replayed traces", traffic: labTraffic},
		{name: "traces as nobody", mode: "traces", says: "over replayed traces", nobody: true, traffic: labTraffic},
		{name: "whatever nobody may", mode: "auto", says: "not possible here: namespaces: ", nobody: true, traffic: labTraffic},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.mode != "traces" {
				testenv.RequireRoot(t)
			}
			d := startDemo(t, c.nobody, "--once", "--mode", c.mode)
			if code := d.wait(t, demoTime); code != 0 {
				t.Errorf("exit code %d\n%s", code, d.output)
			}
			d.checkAnswers(t, c.says, c.traffic)
			d.checkGone(t)
		})
	}
}

// Ctrl-C ends the demo at any moment, and nothing stays behind.
func TestDemoInterrupted(t *testing.T) {
	testenv.RequireRoot(t)
	t.Parallel()
	for moment, arguments := range map[string][]string{
		"waiting for the first flows": nil,
		"explorer: http":              {"--plugin", binary(t, pluginProgram), "--dist", t.TempDir(), "--page", t.TempDir()},
	} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t, false, append(arguments, "--mode", "namespaces")...)
			eventually(t, demoTime, func() string {
				if !strings.Contains(d.output.String(), moment) {
					return "no line with " + moment + ":\n" + d.output.String()
				}
				return ""
			})
			d.signal(t, syscall.SIGINT)
			if code := d.wait(t, patience); code != 0 {
				t.Errorf("exit code %d\n%s", code, d.output)
			}
			d.checkGone(t)
		})
	}
}

// demo is a run of weir-demo with a directory for temporary files of its own.
type demo struct {
	*process
	temporary string
}

func startDemo(t *testing.T, asNobody bool, arguments ...string) *demo {
	t.Helper()
	program, bin := binary(t, demoProgram), filepath.Dir(binary(t, probeProgram))
	binary(t, clientProgram)
	temporary := openDir(t)
	var attributes *syscall.SysProcAttr
	if asNobody {
		testenv.RequireRoot(t)
		program, bin = public(t, demoProgram), openDir(t)
		for _, name := range []string{probeProgram, clientProgram} {
			if err := os.Rename(public(t, name), filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(temporary, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		attributes = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	command := exec.Command(program, append([]string{"--bin", bin}, arguments...)...)
	command.SysProcAttr = attributes
	command.Dir = "/"
	command.Env = append(os.Environ(), "TMPDIR="+temporary)
	return &demo{process: start(t, command), temporary: temporary}
}

// checkAnswers looks for the demo's own traffic in the answers of its terminal.
func (d *demo) checkAnswers(t *testing.T, mode string, traffic []string) {
	t.Helper()
	head, answers, ok := strings.Cut(d.output.String(), "\n1. ")
	if !ok || !strings.Contains(answers, "\n2. ") || !strings.Contains(head, mode) {
		t.Fatalf("it does not say %q, or lacks its two answers:\n%s", mode, d.output)
	}
	for _, flow := range traffic {
		words := strings.Fields(flow)
		for i, word := range words {
			words[i] = regexp.QuoteMeta(word)
		}
		if !regexp.MustCompile(`(?m)^ *` + strings.Join(words, " +") + ` `).MatchString(answers) {
			t.Errorf("no row of %s in the answers:\n%s", flow, answers)
		}
	}
}

// checkGone looks for what may have been left: files, namespaces and processes, of which all know TMPDIR.
func (d *demo) checkGone(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(d.temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory for temporary files: %v, %v", left, err)
	}
	spaces, err := filepath.Glob(fmt.Sprintf("/run/netns/weir-%d-*", d.command.Process.Pid))
	if err != nil || len(spaces) > 0 {
		t.Errorf("left: namespaces %v, %v", spaces, err)
	}
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(environments) == 0 {
		t.Fatalf("list processes: %v", err)
	}
	for _, path := range environments {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if bytes.Contains(text, []byte("TMPDIR="+d.temporary)) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			t.Errorf("left: process %s: %s", path, bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		}
	}
}
