package natshttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
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
