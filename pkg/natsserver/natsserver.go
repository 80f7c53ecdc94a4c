// Package natsserver is a NATS server within this process, for sites that are too small for one of their own: hosts that
// nobody can dial connect to the gateway itself.
//
// Invariants: beyond loopback nothing goes in the clear and nobody gets in without a secret; tenants are accounts, which
// share no subject; a host with a key of its own can speak for itself only.
//
// Neighbours: natshttp is what goes through it; the command line's gateway runs it, and nothing else links it.
package natsserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/weirflow/weir/pkg/natshttp"
)

// DefaultListen is where a server listens that was asked for without saying where.
const DefaultListen = "127.0.0.1:4222"

// Config of a server.
type Config struct {
	// Listen is where hosts connect, such as ":4222"; empty: no server runs, unless --nats-embedded asks for one, on
	// 127.0.0.1:4222. Beyond loopback, tls and either token_file or accounts are needed.
	Listen string `yaml:"listen"`
	// TLS names PEM files.
	TLS TLS `yaml:"tls"`
	// TokenFile is the token that everybody shows who connects.
	TokenFile string `yaml:"token_file"`
	// Accounts separate tenants, who see nothing of each other.
	Accounts []Account `yaml:"accounts"`
	// Account is the one in which this gateway asks; empty: the first.
	Account string `yaml:"account"`
}

// TLS names PEM files.
type TLS struct {
	// Certificate of the server.
	Certificate string `yaml:"certificate"`
	// Key of the certificate.
	Key string `yaml:"key"`
	// ClientCA verifies certificates of those who connect, which they need then; empty: they need none.
	ClientCA string `yaml:"client_ca"`
}

// Account is a tenant.
type Account struct {
	// Name of the account.
	Name string `yaml:"name"`
	// Hosts may announce themselves and answer.
	Hosts []Host `yaml:"hosts"`
	// Askers are public nkeys of other gateways, which may ask.
	Askers []string `yaml:"askers"`
}

// Host is one that has a key of its own.
type Host struct {
	// NKey is the public one.
	NKey string `yaml:"nkey"`
	// Site and Host are what it may speak for; both empty: any.
	Site string `yaml:"site"`
	// Host is its name.
	Host string `yaml:"host"`
}

// Enabled says that a server is to run.
func (c Config) Enabled() bool { return c.Listen != "" }

// Validate says what is wrong, as far as that can be known without reading the files.
func (c Config) Validate() error {
	if !c.Enabled() {
		return c.validateAccounts()
	}
	host, _, err := c.listen()
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(host)
	loopback := strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
	switch {
	case (c.TLS.Certificate == "") != (c.TLS.Key == ""), c.TLS.ClientCA != "" && c.TLS.Key == "":
		return errors.New("nats_server: tls needs both a certificate and a key")
	case !loopback && c.TLS.Certificate == "":
		return fmt.Errorf("nats_server: listen %s without tls would send tokens and traffic data in the clear: give tls.certificate and tls.key", c.Listen)
	case !loopback && c.TokenFile == "" && len(c.Accounts) == 0:
		return fmt.Errorf("nats_server: listen %s would let everybody in: give token_file or accounts", c.Listen)
	case c.TokenFile != "" && len(c.Accounts) > 0:
		return errors.New("nats_server: token_file and accounts exclude each other: the hosts of an account have nkeys")
	}
	return c.validateAccounts()
}

func (c Config) validateAccounts() error {
	accounts, keys := map[string]bool{}, map[string]bool{}
	for i, a := range c.Accounts {
		if a.Name == "" || strings.HasPrefix(a.Name, "$") || strings.ContainsAny(a.Name, " .*>") || accounts[a.Name] {
			return fmt.Errorf("nats_server: accounts[%d]: %q is no name, or a second account has it", i, a.Name)
		}
		accounts[a.Name] = true
		for _, h := range a.Hosts {
			if (h.Site == "") != (h.Host == "") {
				return fmt.Errorf("nats_server: account %s: the host with the nkey %.60s needs both site and host, or neither", a.Name, h.NKey)
			}
		}
		for _, key := range a.keys() {
			if !nkeys.IsValidPublicUserKey(key) {
				return fmt.Errorf("nats_server: account %s: %.60q is no public nkey of a user (U…)", a.Name, key)
			}
			if keys[key] {
				return fmt.Errorf("nats_server: account %s: the nkey %s is there twice", a.Name, key)
			}
			keys[key] = true
		}
	}
	if c.Account != "" && !accounts[c.Account] {
		return fmt.Errorf("nats_server: account %q is not among the accounts", c.Account)
	}
	return nil
}

func (a Account) keys() []string {
	keys := append([]string{}, a.Askers...)
	for _, h := range a.Hosts {
		keys = append(keys, h.NKey)
	}
	return keys
}

func (c Config) listen() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(c.Listen)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("nats_server: listen %q: expected an address with a port, such as :4222", c.Listen)
	}
	return host, port, nil
}

// Deps of a server; all are required.
type Deps struct {
	Logger   *slog.Logger
	ReadFile func(path string) ([]byte, error)
}

// Server is a running server.
type Server struct {
	*server.Server
	own natshttp.Config // of this process
}

// startWait bounds how long a server takes to listen.
const startWait = 10 * time.Second

// Start starts a server.
func Start(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{own: natshttp.Config{Name: "weir-gateway"}}
	options, err := s.options(cfg, deps)
	if err != nil {
		return nil, err
	}
	if s.Server, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("nats_server: %w", err)
	}
	s.SetLoggerV2(log{deps.Logger}, false, false, false)
	go s.Start()
	if !s.ReadyForConnections(startWait) {
		s.Close()
		return nil, fmt.Errorf("nats_server: it does not listen on %s: the log says why", cfg.Listen)
	}
	deps.Logger.Info("nats_server: listening", "address", s.Addr().String())
	return s, nil
}

// Config is how this process connects, together with the server as natshttp.LinkDeps.InProcess.
func (s *Server) Config() natshttp.Config { return s.own }

// Close ends the server.
func (s *Server) Close() {
	s.Shutdown()
	s.WaitForShutdown()
}

func (s *Server) options(cfg Config, deps Deps) (*server.Options, error) {
	host, port, err := cfg.listen()
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	o := &server.Options{Host: host, Port: port, NoSigs: true, ServerName: "weir-gateway", MaxPayload: server.MAX_PAYLOAD_SIZE, DisableShortFirstPing: true}
	if o.TLSConfig, err = cfg.TLS.config(deps.ReadFile); err != nil {
		return nil, err
	}
	if o.TLSConfig != nil {
		o.TLSTimeout, o.TLSVerify = 10, cfg.TLS.ClientCA != ""
	}
	if cfg.TokenFile != "" {
		text, err := deps.ReadFile(cfg.TokenFile)
		if o.Authorization = strings.TrimSpace(string(text)); err == nil && o.Authorization == "" {
			err = fmt.Errorf("%s is empty", cfg.TokenFile)
		}
		if err != nil {
			return nil, fmt.Errorf("nats_server: token_file: %w", err)
		}
		s.own.Token = o.Authorization
	}
	return o, s.accounts(cfg, o)
}

// accounts gives each tenant an account, and this process a key that nobody else has.
func (s *Server) accounts(cfg Config, o *server.Options) error {
	for i, a := range cfg.Accounts {
		account := server.NewAccount(a.Name)
		o.Accounts = append(o.Accounts, account)
		for _, h := range a.Hosts {
			o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: h.NKey, Account: account, Permissions: h.permissions()})
		}
		for _, key := range a.Askers {
			o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: key, Account: account})
		}
		if a.Name != cfg.Account && (cfg.Account != "" || i > 0) {
			continue
		}
		pair, err := nkeys.CreateUser()
		if err != nil {
			return fmt.Errorf("nats_server: make a key: %w", err)
		}
		seed, err := pair.Seed()
		if err != nil {
			return fmt.Errorf("nats_server: make a key: %w", err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return fmt.Errorf("nats_server: make a key: %w", err)
		}
		s.own.NKeySeed = string(seed)
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: public, Account: account})
	}
	return nil
}

// permissions are the least that a host needs: its own subjects, and the inboxes of those who asked it.
func (h Host) permissions() *server.Permissions {
	p := natshttp.PermissionsOf(natshttp.Address{Site: h.Site, Host: h.Host})
	return &server.Permissions{
		Subscribe: &server.SubjectPermission{Allow: p.Subscribe}, Publish: &server.SubjectPermission{Allow: p.Publish},
		Response: &server.ResponsePermission{MaxMsgs: natshttp.MaxResponses, Expires: natshttp.MaxRequest},
	}
}

func (t TLS) config(read func(string) ([]byte, error)) (*tls.Config, error) {
	if t.Certificate == "" {
		return nil, nil
	}
	var texts [3][]byte
	for i, path := range []string{t.Certificate, t.Key, t.ClientCA} {
		if path == "" {
			continue
		}
		var err error
		if texts[i], err = read(path); err != nil {
			return nil, fmt.Errorf("nats_server: tls: %w", err)
		}
	}
	pair, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		return nil, fmt.Errorf("nats_server: tls: read certificate and key: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCA != "" {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(texts[2]) {
			return nil, fmt.Errorf("nats_server: tls: %s holds no certificate in PEM form", t.ClientCA)
		}
	}
	return config, nil
}

// log hands the server's lines on.
type log struct{ *slog.Logger }

func (l log) say(level slog.Level, format string, v []any) {
	l.Log(nil, level, "nats_server: "+fmt.Sprintf(format, v...)) //nolint:staticcheck // the server has no context
}

func (l log) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l log) Warnf(format string, v ...any)   { l.say(slog.LevelWarn, format, v) }
func (l log) Fatalf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l log) Errorf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l log) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l log) Tracef(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
