package natshttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Config says which NATS servers to use, and what to show them. It holds contents, not names of files: see Files.
type Config struct {
	// Servers are addresses such as "tls://nats.example.com:4222". They are dialled over TLS, whatever the scheme, unless
	// all of them are on loopback or Cleartext is set.
	Servers []string
	// CA verifies the servers, in PEM form; empty: the system's authorities. Certificate and Key are shown to them.
	CA, Certificate, Key string
	// At most one of: Credentials, the text of a .creds file with a JWT and its seed; NKeySeed; Token.
	Credentials, NKeySeed, Token string
	// Cleartext allows connections that others can read: for laboratories.
	Cleartext bool
	// Name of the connection, as the server's monitoring shows it.
	Name string
	// FirstRetry and LastRetry bound the pause before the servers are tried again, which doubles each time; 0: 250 ms, 30 s.
	FirstRetry, LastRetry time.Duration
	// Ping is the time between signs of life; after two without an answer a connection counts as lost. 0: 10 s.
	Ping time.Duration
}

// maxServers bounds a list that is tried one after the other.
const maxServers = 64

// Validate says everything that is wrong.
func (c Config) Validate() error {
	var faults []error
	if len(c.Servers) == 0 || len(c.Servers) > maxServers {
		faults = append(faults, fmt.Errorf("nats: %d servers: expected 1 to %d", len(c.Servers), maxServers))
	}
	for _, s := range c.Servers {
		if _, err := parseServer(s); err != nil {
			faults = append(faults, err)
		}
	}
	given := 0
	for _, secret := range []string{c.Credentials, c.NKeySeed, c.Token} {
		if secret != "" {
			given++
		}
	}
	if given > 1 {
		faults = append(faults, errors.New("nats: credentials, nkey and token exclude each other: give one"))
	}
	if _, err := c.tls(); err != nil {
		faults = append(faults, err)
	}
	if _, err := c.identity(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func parseServer(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "nats://" + full
	}
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("nats: a server's address is wrong: expected tls://HOST:4222")
	case u.User != nil:
		return nil, fmt.Errorf("nats: server %s: secrets do not belong into the address: use a token, an nkey or credentials", u.Redacted())
	case u.Scheme != "nats" && u.Scheme != "tls":
		return nil, fmt.Errorf("nats: server %s: unknown scheme %q: expected tls or nats", u, u.Scheme)
	}
	return u, nil
}

// secure says whether the connection has to be encrypted.
func (c Config) secure() bool {
	if c.CA != "" || c.Certificate != "" {
		return true
	}
	loopback := true
	for _, s := range c.Servers {
		u, err := parseServer(s)
		if err != nil || u.Scheme == "tls" {
			return true
		}
		loopback = loopback && isLoopback(u.Hostname())
	}
	return !loopback && !c.Cleartext
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func (c Config) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, errors.New("nats: the CA holds no certificate in PEM form")
		}
	}
	if c.Certificate == "" && c.Key == "" {
		return config, nil
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("nats: read the client certificate and its key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// identity is what is shown to the server; nil: nothing.
func (c Config) identity() (nats.Option, error) {
	switch {
	case c.Token != "":
		return nats.Token(strings.TrimSpace(c.Token)), nil
	case c.NKeySeed != "":
		pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(c.NKeySeed)))
		if err != nil {
			return nil, fmt.Errorf("nats: read the nkey's seed: %w", err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("nats: read the nkey's seed: %w", err)
		}
		return nats.Nkey(public, pair.Sign), nil
	case c.Credentials != "":
		text := []byte(c.Credentials)
		if _, err := nkeys.ParseDecoratedJWT(text); err != nil {
			return nil, fmt.Errorf("nats: read the credentials: %w", err)
		}
		if _, err := nkeys.ParseDecoratedNKey(text); err != nil {
			return nil, fmt.Errorf("nats: read the credentials: %w", err)
		}
		return nats.UserCredentialBytes(text), nil
	}
	return nil, nil
}

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

// delay before the servers are tried again: it doubles, and varies so that a fleet does not come back in one moment.
func (c Config) delay(attempts int) time.Duration {
	first, last := c.FirstRetry, c.LastRetry
	if first == 0 {
		first = 250 * time.Millisecond
	}
	if last == 0 {
		last = 30 * time.Second
	}
	pause := min(first<<min(max(attempts-1, 0), 20), last)
	return pause/2 + rand.N(pause)
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
