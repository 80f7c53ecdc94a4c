package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// host is one probe: a process that is started and stopped, and an address of this machine under which it answers.
type host struct {
	name    string
	binary  string
	config  string // path
	log     string // path
	command func(name string, arguments ...string) *exec.Cmd
	listen  string                                  // what the probe listens on, where it runs
	dial    func(context.Context) (net.Conn, error) // reaches it from here; nil: listen is this machine's already
	port    int                                     // the forwarder's, kept over a restart
	gate    *forwarder                              // nil without dial or while stopped
	process *exec.Cmd                               // nil while stopped
	done    chan error                              // the process's end
}

// configure writes the probe's configuration.
func (f *Fleet) configure(h *host, interfaces string) error {
	dir := filepath.Join(f.dir, h.name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	h.binary, h.config, h.log = f.cfg.Probe, filepath.Join(dir, "probe.yaml"), filepath.Join(dir, "log")
	text := fmt.Sprintf(`host:
  name: %s
  labels: {company: acme, customer: %s, site: demo}
store: {path: %s}
capture: {interfaces: [%s]}
meter: {interval: %s, checkpoint: 2s}
api:
  listen:
    - tcp: %q
      tls: {certificate: %s, key: %s}
  tokens:
    - {name: demo, role: query, sha256: %s}
`, h.name, customer(h.name), f.storeDir(h.name), interfaces, f.cfg.Interval, h.listen,
		f.CAFile(), filepath.Join(f.dir, "tls.key"), f.secrets.hash)
	return os.WriteFile(h.config, []byte(text), 0o600)
}

// customer is a label that hosts differ in, so that there is something to choose by.
func customer(host string) string {
	if host == "services" {
		return "hosting"
	}
	return "office"
}

func (f *Fleet) storeDir(name string) string { return filepath.Join(f.dir, name, "store") }

func (h *host) url() string {
	if h.dial == nil {
		return "https://" + h.listen
	}
	return fmt.Sprintf("https://127.0.0.1:%d", h.port)
}

// errEnded says that a probe ended by itself.
var errEnded = errors.New("it ended too early")

// startTimeout is how long a probe may take until it accepts connections.
const startTimeout = 10 * time.Second

// start runs the probe and returns when it accepts connections.
func (h *host) start() error {
	if h.process != nil {
		return nil
	}
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	command := h.command(h.binary, "run", "--config", h.config)
	command.Stdout, command.Stderr = log, log
	prepareProcess(command)
	h.done = make(chan error, 1)
	if err := startAndWait(command, h.done); err != nil {
		return fmt.Errorf("start the probe of %s: %w", h.name, err)
	}
	h.process = command
	if err := h.await(); err != nil {
		return errors.Join(err, h.stop())
	}
	if h.dial == nil {
		return nil
	}
	h.gate, err = forward(h.port, h.dial)
	if err != nil {
		return errors.Join(err, h.stop())
	}
	h.port = h.gate.port()
	return nil
}

// startAndWait starts the command and tells done when it has ended. The thread that starts it lives as long as it does:
// its death is what would end the command (see prepareProcess).
func startAndWait(command *exec.Cmd, done chan<- error) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			done <- command.Wait()
		}
	}()
	return <-started
}

func (h *host) await() error {
	dial := h.dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", h.listen) }
	}
	deadline := time.Now().Add(startTimeout)
	for {
		connection, err := dial(context.Background())
		if err == nil {
			return connection.Close()
		}
		select {
		case end := <-h.done:
			h.done <- end
			text, _ := os.ReadFile(h.log) // what it says of itself is the reason
			lines := strings.Split(strings.TrimSpace(string(bytes.TrimSpace(text))), "\n")
			return fmt.Errorf("the probe of %s ended: %s: %w", h.name, lines[len(lines)-1], errors.Join(end, errEnded))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the probe of %s does not answer after %s: %w", h.name, startTimeout, err)
		}
	}
}

// stopTimeout is how long a probe may take to bring home what it saw.
const stopTimeout = 4 * time.Second

// stop ends the probe as a service manager does; kill -9 only if it does not end.
func (h *host) stop() error {
	if h.gate != nil {
		h.gate.close()
		h.gate = nil
	}
	if h.process == nil {
		return nil
	}
	defer func() { h.process = nil }()
	if err := h.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the probe of %s: %w", h.name, err)
	}
	select {
	case err := <-h.done:
		if err != nil {
			return fmt.Errorf("the probe of %s did not end in order, see %s: %w", h.name, h.log, err)
		}
		return nil
	case <-time.After(stopTimeout):
		_ = h.process.Process.Kill() // gone already is as good
		return fmt.Errorf("the probe of %s did not end within %s and was killed: %w", h.name, stopTimeout, <-h.done)
	}
}

// forwarder makes a port of this machine's loopback interface lead into a namespace.
type forwarder struct {
	listener net.Listener
	cancel   context.CancelFunc
	open     sync.WaitGroup
}

func forward(port int, dial func(context.Context) (net.Conn, error)) (*forwarder, error) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		cancel()
		return nil, err
	}
	f := &forwarder{listener: listener, cancel: cancel}
	f.open.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			f.open.Go(func() { pipe(ctx, from, dial) })
		}
	})
	return f, nil
}

func (f *forwarder) port() int { return f.listener.Addr().(*net.TCPAddr).Port }

func (f *forwarder) close() {
	_ = f.listener.Close()
	f.cancel()
	f.open.Wait()
}

func pipe(ctx context.Context, from net.Conn, dial func(context.Context) (net.Conn, error)) {
	defer from.Close()
	to, err := dial(ctx)
	if err != nil {
		return
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(from.Close(), to.Close()) })
	defer stop()
	done := make(chan struct{}, 2)
	for _, way := range [2][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])            // ends with either connection
			_ = errors.Join(from.Close(), to.Close()) // the other way ends with it
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
