package natshttp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/client"
)

// binary is the real nats-server of the module's version, built once for this package's tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "weir-nats-server")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats-server")
	output, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w: %s", err, output)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// server is a nats-server as a process of its own.
type server struct {
	t       testing.TB
	command *exec.Cmd
	config  string
	port    int
	log     string
}

// startServer runs a server with a configuration (beside its port, which it keeps) until the test ends.
func startServer(t testing.TB, config string) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, config: filepath.Join(dir, "nats.conf"), log: filepath.Join(dir, "nats.log"), port: testenv.FreePort(t)}
	text := fmt.Sprintf("host: 127.0.0.1\nport: %d\n%s\n", s.port, config)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.command = exec.Command(path, "-c", s.config, "-l", s.log)
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the server listens", func() bool {
		c, err := net.Dial("tcp", s.address())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (s *server) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the server as kill -9 does.
func (s *server) kill() {
	if s.command != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
	if s.t.Failed() {
		if text, err := os.ReadFile(s.log); err == nil {
			s.t.Logf("nats-server: %s", text)
		}
	}
}

// eventually polls for what another process does, for a minute at least.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("after a minute it is not so that %s", what)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// link connects until the test ends.
func link(t testing.TB, s *server, change ...func(*Config)) *Link {
	t.Helper()
	cfg := Config{Servers: []string{s.address()}, FirstRetry: 20 * time.Millisecond, LastRetry: 100 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	l, err := Connect(cfg, LinkDeps{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	eventually(t, "the link is up", func() bool { return l.Status().Connected })
	return l
}

// respond answers as a host until the test ends, or the function returned is called.
func respond(t testing.TB, l *Link, host string, h http.Handler, change ...func(*ResponderConfig)) (stop func()) {
	t.Helper()
	cfg := ResponderConfig{Address: Address{Host: host}}
	for _, c := range change {
		c(&cfg)
	}
	r, err := NewResponder(cfg, ResponderDeps{Link: l, Handler: h, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	// A link that looks for signs of life often may break and come back just now, which both ends stand.
	eventually(t, host+" listens", func() bool { return l.conn.NumSubscriptions() >= 3 && l.conn.Flush() == nil })
	return stop
}

// ask is an http.Client over a round tripper of its own.
func ask(t testing.TB, l *Link, change ...func(*AskerConfig)) (*http.Client, *RoundTripper) {
	t.Helper()
	cfg := AskerConfig{Silence: 20 * time.Second, Grace: 500 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	rt, err := NewRoundTripper(cfg, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return &http.Client{Transport: rt, Timeout: time.Minute}, rt
}

// reason is the client's error within an error.
func reason(t testing.TB, err error) *client.Error {
	t.Helper()
	var e *client.Error
	if !errorsAs(err, &e) {
		t.Fatalf("the error is %T: %v", err, err)
	}
	return e
}

// hello is a handler that says hello.
func hello() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
}
