//go:build linux

package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
)

// mistake is a command that cannot do what it is told.
type mistake struct {
	name    string
	command func(t *testing.T, store string) *exec.Cmd // with a store that holds something
	code    int
	says    []string // what the one line has to hold
	shows   int      // lines below it that point at the fault
}

// Whatever is wrong is said in one line, and perhaps a hint what to do; nothing that is stored is touched.
func TestBadInput(t *testing.T) {
	t.Parallel()
	filled := filepath.Join(t.TempDir(), "store")
	trace := filepath.Join(t.TempDir(), "trace.pcap")
	writeTrace(t, trace, 3)
	replay(t, filled, trace)
	for _, m := range slices.Concat(wrongConfigurations(), wrongCommandLines()) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			store := filepath.Join(openDir(t), "store")
			if err := os.CopyFS(store, os.DirFS(filled)); err != nil {
				t.Fatal(err)
			}
			before := fingerprint(t, store)
			checkComplaint(t, m, runCommand(t, patience, m.command(t, store)))
			if after := fingerprint(t, store); !cmp.Equal(before, after) {
				t.Errorf("the store was touched:\n%s", cmp.Diff(before, after))
			}
		})
	}
}

func checkComplaint(t *testing.T, m mistake, r result) {
	t.Helper()
	if r.code != m.code {
		t.Errorf("exit code %d, want %d", r.code, m.code)
	}
	if r.stdout != "" {
		t.Errorf("standard output: %s", r.stdout)
	}
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	if last := len(lines) - 1; last > 0 && strings.HasPrefix(lines[last], "hint: ") {
		lines = lines[:last]
	}
	if len(lines) != 1+m.shows {
		t.Errorf("%d lines, want %d:\n%s", len(lines), 1+m.shows, r.stderr)
	}
	for _, text := range m.says {
		if !strings.Contains(lines[0], text) {
			t.Errorf("%q is not in: %s", text, lines[0])
		}
	}
	if strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("a stack trace: %s", r.stderr)
	}
}

// runProbe is `weir-probe run` with a configuration that reads the store and logs nothing but what is wrong.
func runProbe(t *testing.T, store, configuration string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(filepath.Dir(store), "probe.yaml")
	text := fmt.Sprintf("store: {path: %q}\nlog: {level: warn}\n%s\n", store, configuration)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return exec.Command(binary(t, probeProgram), "run", "--config", path)
}

const nowhere = "api: {listen: []}"

func wrongConfigurations() []mistake {
	return []mistake{
		{name: "unknown key", code: 1, says: []string{"probe.yaml: line 3, column 1", `unknown key "captur"`, `did you mean "capture"?`},
			command: func(t *testing.T, store string) *exec.Cmd { return runProbe(t, store, "captur: {interfaces: [lo]}") }},
		{name: "unknown key below another", code: 1, says: []string{"line 3, column 9", `unknown key "intervall"`, `did you mean "interval"?`},
			command: func(t *testing.T, store string) *exec.Cmd { return runProbe(t, store, "meter: {intervall: 5m}") }},
		{name: "value out of bounds", code: 1, says: []string{"probe.yaml", "meter: interval is 10ms", "between 1s and 24h"},
			command: func(t *testing.T, store string) *exec.Cmd { return runProbe(t, store, "meter: {interval: 10ms}") }},
		{name: "no configuration", code: 1, says: []string{"read configuration", "absent.yaml", "example-config"},
			command: func(t *testing.T, store string) *exec.Cmd {
				return exec.Command(binary(t, probeProgram), "run", "--config", filepath.Join(filepath.Dir(store), "absent.yaml"))
			}},
		{name: "no such interface", code: 1, says: []string{"capture on weir-absent0", "no such interface", "there are: ", "lo"},
			command: func(t *testing.T, store string) *exec.Cmd {
				return runProbe(t, store, "capture: {interfaces: [weir-absent0]}\n"+nowhere)
			}},
		{name: "no permission", code: 1, says: []string{"capture on lo", "CAP_NET_RAW", "setcap cap_net_raw=ep "}, command: withoutPermission},
		{name: "port in use", code: 1, says: []string{"listen on tcp 127.0.0.1:", "address is in use"},
			command: func(t *testing.T, store string) *exec.Cmd {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = listener.Close() })
				return runProbe(t, store, fmt.Sprintf("api: {listen: [{tcp: %q, insecure: {allow: [127.0.0.0/8]}}]}", listener.Addr()))
			}},
		{name: "socket in use", code: 1, says: []string{"listen on unix:", "another process answers on it"},
			command: func(t *testing.T, store string) *exec.Cmd {
				path := filepath.Join(filepath.Dir(store), "socket")
				listener, err := net.Listen("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = listener.Close() })
				return runProbe(t, store, fmt.Sprintf("api: {listen: [{unix: %s}]}", path))
			}},
		{name: "store in use", code: 1, says: []string{"open store", "held by pid"},
			command: func(t *testing.T, store string) *exec.Cmd {
				lock, err := os.Open(filepath.Join(store, "lock"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = lock.Close() })
				if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
					t.Fatal(err)
				}
				return runProbe(t, store, nowhere)
			}},
		{name: "tcp in the clear", code: 1, says: []string{"api: listen[0]: tcp :8145 without tls", "insecure.allow"},
			command: func(t *testing.T, store string) *exec.Cmd {
				return runProbe(t, store, `api: {listen: [{tcp: ":8145"}]}`)
			}},
	}
}

// nobody is a user without any privilege.
const nobody = 65534

// withoutPermission is a probe that may write to its store and may not capture.
func withoutPermission(t *testing.T, store string) *exec.Cmd {
	testenv.RequireRoot(t)
	command := runProbe(t, store, "capture: {interfaces: [lo]}\n"+nowhere)
	command.Path = public(t, probeProgram)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	err := filepath.WalkDir(store, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	return command
}

// public copies a program to where every user may run it.
func public(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(binary(t, name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(openDir(t), name)
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// openDir is a directory that every user may enter.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-tests-open-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func wrongCommandLines() []mistake {
	query := func(arguments ...string) func(*testing.T, string) *exec.Cmd {
		return func(t *testing.T, store string) *exec.Cmd {
			return exec.Command(binary(t, clientProgram), append([]string{"query", "-d", store}, arguments...)...)
		}
	}
	probe := func(arguments ...string) func(*testing.T, string) *exec.Cmd {
		return func(t *testing.T, store string) *exec.Cmd {
			for i, a := range arguments {
				arguments[i] = strings.ReplaceAll(a, "STORE", store)
			}
			return exec.Command(binary(t, probeProgram), arguments...)
		}
	}
	return []mistake{
		{name: "unknown attribute", code: 2, says: []string{"column 5", `unknown attribute "dprot"`, `did you mean "dport"?`}, command: query("-i", "any", "sip,dprot")},
		{name: "unknown attribute in a condition", code: 2, says: []string{"condition, column 15", `unknown attribute "dprot"`, `did you mean "dport"?`},
			shows: 2, command: query("-i", "any", "-c", "proto = tcp & dprot = 80", "sip")},
		{name: "unknown flag", code: 2, says: []string{"--iface", "did you mean --ifaces?"}, command: query("--iface", "any", "sip")},
		{name: "unknown format", code: 2, says: []string{`"jsn"`, `did you mean "json"?`}, command: query("-i", "any", "-e", "jsn", "sip")},
		{name: "unknown flag of the probe", code: 2, says: []string{"--intervall", "did you mean --interval?"}, command: probe("replay", "--db", "STORE", "--intervall", "5m", "x.pcap")},
		{name: "unknown command of the probe", code: 2, says: []string{`"rn"`, `did you mean "run"?`}, command: probe("rn")},
		{name: "local address that is none", code: 2, says: []string{`--local "192.0.2"`, "192.0.2.0/24"}, command: probe("replay", "--db", "STORE", "--local", "192.0.2", "x.pcap")},
		{name: "no such trace", code: 1, says: []string{"open trace", "absent.pcap", "no such file"}, command: probe("replay", "--db", "STORE", "absent.pcap")},
	}
}

// fingerprint is the hash of every file in a directory, by its path, but for the lock, which says who opened it last.
func fingerprint(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "lock" {
			return err
		}
		text, err := os.ReadFile(path)
		hash := sha256.Sum256(text)
		found[path] = hex.EncodeToString(hash[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("%s holds nothing", dir)
	}
	return found
}

// Of a damaged trace everything before the damage is kept, beside what was there; the error says where the damage is.
func TestDamagedTrace(t *testing.T) {
	t.Parallel()
	const each, whole = 9, 13 // of 18 records 13 are whole: 6 of IP
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace.pcap")
	offsets := writeTrace(t, trace, each)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	at := int(offsets[whole])
	scribbled := slices.Clone(text)
	copy(scribbled[at+8:], "\xff\xff\xff\x7f") // captured length of the record
	for name, damaged := range map[string][]byte{"cut in a header": text[:at+5], "cut in a frame": text[:at+30], "length that cannot be": scribbled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, path := filepath.Join(dir, "store"), filepath.Join(dir, "damaged.pcap")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			replay(t, store, "--iface", "earlier", trace)
			before := fingerprint(t, filepath.Join(store, "interfaces", "earlier"))
			r := runCommand(t, patience, exec.Command(binary(t, probeProgram), "replay", "--db", store, path))
			if want := fmt.Sprintf("%s: %d packets, %d metered, %d not_ip\n", path, whole, whole/2, whole-whole/2); r.stdout != want {
				t.Errorf("report %q, want %q", r.stdout, want)
			}
			r.stdout = ""
			checkComplaint(t, mistake{code: 1, says: []string{path, fmt.Sprintf("damaged at byte %d", at)}}, r)
			want := counts{PacketsReceived: whole / 2, BytesReceived: whole / 2 * dnsFrame}
			if got := weirQuery(t, "-d", store, "-i", "replay", "sip").rowSum(); got != want {
				t.Errorf("kept: %s, want %s", got, want)
			}
			if after := fingerprint(t, filepath.Join(store, "interfaces", "earlier")); !cmp.Equal(before, after) {
				t.Errorf("what was stored was touched: %s", cmp.Diff(before, after))
			}
		})
	}
}
