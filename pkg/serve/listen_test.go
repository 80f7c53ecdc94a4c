package serve

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listening tries to listen and returns what was said.
func listening(t *testing.T, l ...Listen) string {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = l
	s, err := New(cfg, Deps{Querier: fake{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		return err.Error()
	}
	for _, l := range s.listeners {
		l.Close()
	}
	return ""
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path := filepath.Join(t.TempDir(), "first.sock")
	got := listening(t, Listen{Unix: path}, Listen{TCP: taken.Addr().String(), Insecure: loopback})
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, part := range []string{taken.Addr().String(), "in use", "sport = :" + port, "choose another"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q lacks %q", got, part)
		}
	}
	if strings.Contains(got, "\n") {
		t.Errorf("more than one line: %q", got)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the first listener stayed open")
	}
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	answering, err := net.Listen("unix", filepath.Join(dir, "live.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer answering.Close()
	for part, l := range map[string]Listen{
		"does not have the address": {TCP: "192.0.2.1:0", Insecure: loopback},
		"is no socket":              {Unix: file},
		"another process answers":   {Unix: filepath.Join(dir, "live.sock")},
		"make its directory":        {Unix: filepath.Join(file, "x.sock")},
		"longer than":               {Unix: "/" + strings.Repeat("x", 200)},
		"does not exist":            {Unix: filepath.Join(dir, "group.sock"), Group: "no-such-group"},
		"read tls.certificate":      {TCP: "127.0.0.1:0", TLS: &TLS{Certificate: file, Key: file, ClientCA: file}},
	} {
		if got := listening(t, l); !strings.Contains(got, part) {
			t.Errorf("%+v: %q, want %q", l, got, part)
		}
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "data" {
		t.Errorf("a file in the way of a socket was touched: %v", err)
	}
	if c, err := net.Dial("unix", filepath.Join(dir, "live.sock")); err != nil {
		t.Errorf("the other process's socket was removed: %v", err)
	} else {
		c.Close()
	}
	if _, err := os.Stat(filepath.Join(dir, "group.sock")); err == nil {
		t.Error("a socket without its group stayed open")
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stale.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false) // as after kill -9
	left.Close()
	if got := listening(t, Listen{Unix: path}); got != "" {
		t.Error(got)
	}
}

func TestConfigValidate(t *testing.T) {
	pair := &TLS{Certificate: "c", Key: "k"}
	certified := &TLS{Certificate: "c", Key: "k", ClientCA: "ca"}
	for _, test := range []struct {
		part string
		cfg  Config
	}{
		{"", DefaultConfig()},
		{"", Config{Listen: []Listen{{Unix: "/x"}, {TCP: ":8145", TLS: certified}, {TCP: "[::1]:1", Insecure: loopback}}}},
		{"", Config{Listen: []Listen{{TCP: ":8145", TLS: pair}}, Tokens: []Token{{"a", RoleQuery, hash("x")}}}},
		{"listen[0]: exactly one", Config{Listen: []Listen{{}}}},
		{"exactly one", Config{Listen: []Listen{{Unix: "/x", TCP: ":1"}}}},
		{"without tls would send", Config{Listen: []Listen{{TCP: ":8145"}}}},
		{"exclude each other", Config{Listen: []Listen{{TCP: ":8145", TLS: certified, Insecure: loopback}}}},
		{"listen[1]: a unix socket takes neither", Config{Listen: []Listen{{Unix: "/y"}, {Unix: "/x", TLS: certified}}}},
		{"for unix sockets only", Config{Listen: []Listen{{TCP: ":1", Group: "weir", Insecure: loopback}}}},
		{"with a port", Config{Listen: []Listen{{TCP: "localhost", Insecure: loopback}}}},
		{"allow is empty", Config{Listen: []Listen{{TCP: ":1", Insecure: &Insecure{}}}}},
		{"invalid network", Config{Listen: []Listen{{TCP: ":1", Insecure: &Insecure{Allow: []netip.Prefix{{}}}}}}},
		{"insecure.role: unknown role", Config{Listen: []Listen{{TCP: ":1", Insecure: &Insecure{Allow: loopback.Allow, Role: "root"}}}}},
		{"unknown role \"none\"", Config{Listen: []Listen{{TCP: ":1", Insecure: &Insecure{Allow: loopback.Allow, Role: RoleNone}}}}},
		{"both a certificate and a key", Config{Listen: []Listen{{TCP: ":1", TLS: &TLS{Key: "k"}}}}},
		{"nobody could get in", Config{Listen: []Listen{{TCP: ":1", TLS: pair}}}},
		{"no effect without tls.client_ca", Config{Listen: []Listen{{TCP: ":1", TLS: &TLS{Certificate: "c", Key: "k", ClientRole: RoleAdmin}}}}},
		{"tls.client_role: unknown", Config{Listen: []Listen{{TCP: ":1", TLS: &TLS{Certificate: "c", Key: "k", ClientCA: "x", ClientRole: "x"}}}}},
		{"needs a name", Config{Tokens: []Token{{"", RoleQuery, hash("x")}}}},
		{"unknown role \"\"", Config{Tokens: []Token{{"a", "", hash("x")}}}},
		{"64 hexadecimal digits", Config{Tokens: []Token{{"a", RoleQuery, "secret"}}}},
		{"empty token", Config{Tokens: []Token{{"a", RoleQuery, hash("")}}}},
		{"tokens[1]: a second token", Config{Tokens: []Token{{"a", RoleQuery, hash("x")}, {"a", RoleQuery, hash("y")}}}},
		{"must not be negative", Config{Limits: Limits{Rows: -1}}},
		{"a burst of at least 1", Config{Limits: Limits{Rate: 1}}},
	} {
		err := test.cfg.Validate()
		if test.part == "" && err != nil || test.part != "" && (err == nil || !strings.Contains(err.Error(), test.part)) {
			t.Errorf("%+v: %v, want %q", test.cfg, err, test.part)
		}
	}
}

// TestSocketDirectoryIsMade: whoever starts a server by hand need not know about /run.
func TestSocketDirectoryIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "weir", "probe.sock")
	l, err := openUnix(t.Context(), Listen{Unix: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	blocked := filepath.Join(path, "deeper", "x.sock")
	if _, err := openUnix(t.Context(), Listen{Unix: blocked}); err == nil || !strings.Contains(err.Error(), "make its directory") {
		t.Errorf("got %v", err)
	}
}
