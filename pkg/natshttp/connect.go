package natshttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// LinkDeps are what a Link works with. Logger is required.
type LinkDeps struct {
	Logger *slog.Logger
	// InProcess, where it is set, is a server in this process that is used in place of Config.Servers.
	InProcess nats.InProcessConnProvider
}

// Link is a connection to a NATS server or cluster that comes back for ever. It is safe for concurrent use; several
// round trippers, responders and discoveries may share one.
type Link struct {
	conn   *nats.Conn
	log    *slog.Logger
	direct bool // within this process

	mu         sync.Mutex // guards conn, too, until Connect has returned
	connected  bool
	private    bool
	since      time.Time // of the state
	reconnects uint64
	failures   uint64
	last       error
	watchers   []*watcher
}

type watcher struct{ change func(connected bool) }

// Status of a Link, for people and metrics.
type Status struct {
	Connected bool      `json:"connected"`
	Server    string    `json:"server,omitempty"` // to which it is connected
	Since     time.Time `json:"since"`            // of this state
	// Reconnects and Failures count since the start: connections that came back, attempts that did not succeed.
	Reconnects uint64 `json:"reconnects"`
	Failures   uint64 `json:"failures"`
	Error      string `json:"error,omitempty"` // the last one
}

// Connect checks the configuration and begins to connect; that no server answers yet is no error.
func Connect(cfg Config, deps LinkDeps) (*Link, error) {
	if deps.Logger == nil {
		return nil, errors.New("nats: a logger is needed")
	}
	if deps.InProcess != nil && len(cfg.Servers) == 0 {
		cfg.Servers = []string{"nats://localhost"}
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Link{log: deps.Logger, since: time.Now(), direct: deps.InProcess != nil}
	options, err := l.options(cfg, deps)
	if err != nil {
		return nil, err
	}
	conn, err := nats.Connect(strings.Join(cfg.Servers, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	l.mu.Lock()
	l.conn = conn
	l.mu.Unlock()
	return l, nil
}

func (l *Link) options(cfg Config, deps LinkDeps) ([]nats.Option, error) {
	ping := cfg.Ping
	if ping == 0 {
		ping = 10 * time.Second
	}
	options := []nats.Option{
		nats.Name(cfg.Name), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(cfg.delay), nats.PingInterval(ping), nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second), nats.ReconnectBufSize(-1), nats.NoCallbacksAfterClientClose(),
		nats.ConnectHandler(l.up), nats.ReconnectHandler(l.up),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.down(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { l.fault(err) }),
		nats.ErrorHandler(l.asynchronous),
	}
	identity, err := cfg.identity()
	if err != nil {
		return nil, err
	}
	if identity != nil {
		options = append(options, identity)
	}
	switch {
	case deps.InProcess != nil:
		options = append(options, nats.InProcessServer(deps.InProcess))
	case cfg.secure():
		config, err := cfg.tls()
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(config))
	default: // a server on loopback must not send us elsewhere in the clear
		options = append(options, nats.IgnoreDiscoveredServers())
	}
	return options, nil
}

// up is called for each connection that stands.
func (l *Link) up(conn *nats.Conn) {
	l.mu.Lock()
	if l.connected {
		l.mu.Unlock()
		return
	}
	_, err := conn.TLSConnectionState()
	host, _, _ := net.SplitHostPort(conn.ConnectedAddr())
	l.private = l.direct || err == nil || isLoopback(host)
	l.connected, l.since = true, time.Now()
	watchers := slices.Clone(l.watchers)
	l.mu.Unlock()
	l.log.Info("nats: connected", "server", conn.ConnectedUrlRedacted())
	for _, w := range watchers {
		w.change(true)
	}
}

func (l *Link) down(err error) {
	l.mu.Lock()
	was := l.connected
	l.connected, l.since, l.last = false, time.Now(), err
	if was {
		l.reconnects++
	}
	watchers := slices.Clone(l.watchers)
	l.mu.Unlock()
	if !was {
		return
	}
	l.log.Warn("nats: connection lost", "error", err)
	for _, w := range watchers {
		w.change(false)
	}
}

// fault notes that a server could not be reached; the log gets the first of a kind.
func (l *Link) fault(err error) {
	l.mu.Lock()
	l.failures++
	fresh := l.last == nil || err == nil || l.last.Error() != err.Error()
	l.last = err
	l.mu.Unlock()
	if fresh {
		l.log.Warn("nats: cannot connect, trying on", "error", err)
	}
}

// asynchronous notes what the server or the library says of a connection that stands: refused permissions, lost messages.
func (l *Link) asynchronous(_ *nats.Conn, s *nats.Subscription, err error) {
	subject := ""
	if s != nil {
		subject = s.Subject
	}
	l.mu.Lock()
	l.last = err
	l.mu.Unlock()
	l.log.Warn("nats", "error", err, "subject", subject)
}

// watch calls change after every connection and loss, until the function returned is called. Calls may come from several
// goroutines.
func (l *Link) watch(change func(connected bool)) (forget func()) {
	w := &watcher{change}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers = append(l.watchers, w)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watchers = slices.DeleteFunc(l.watchers, func(o *watcher) bool { return o == w })
	}
}

// state is whether the connection stands, since when that is so, and whether nobody else can read it.
func (l *Link) state() (connected, private bool, since time.Time, last error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connected, l.private, l.since, l.last
}

// await waits until the connection stands, within ctx and for so long; it returns the last error if it does not.
func (l *Link) await(ctx context.Context, most time.Duration) error {
	changed := make(chan struct{}, 1)
	defer l.watch(func(bool) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		connected, _, _, last := l.state()
		if connected {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return fmt.Errorf("no connection to a NATS server%s", because(last))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// Status of the connection.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{Connected: l.connected, Since: l.since.UTC(), Reconnects: l.reconnects, Failures: l.failures}
	if l.last != nil {
		s.Error = l.last.Error()
	}
	if l.connected && l.conn != nil {
		s.Server, s.Error = l.conn.ConnectedUrlRedacted(), ""
	}
	return s
}

// page is the size of a page on this connection.
func (l *Link) page() int {
	return int(min(maxPage, max(l.conn.MaxPayload()-headRoom, 4<<10)))
}

// Close ends the connection; what was published is sent first, as far as that takes no longer than a second.
func (l *Link) Close() {
	if l.conn.IsConnected() {
		_ = l.conn.FlushTimeout(time.Second)
	}
	l.conn.Close()
}
