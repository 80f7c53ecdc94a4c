package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config says how to reach one server.
type Config struct {
	// URL is "https://host:8145[/prefix]", "http://…", "host:8145" (http), "host" (http, port 8145) or "unix:/path".
	URL string
	// Token is sent as bearer token, over TLS, loopback and Unix sockets only.
	Token string
	TLS   TLS
	// Timeout bounds a call as a whole; 0: no bound but the context's.
	Timeout time.Duration
	// MaxResponse is the greatest answer in bytes, after decompression; 0: the default.
	MaxResponse int64
	// RejectUnix refuses unix: addresses, for callers whose configuration comes from people who must not reach
	// sockets of this machine.
	RejectUnix bool
	// AllowCleartextToken sends Token over unencrypted connections too: for laboratories.
	AllowCleartextToken bool
	// RuntimeID identifies this process, so that a gateway recognises its own query; empty: none is sent.
	RuntimeID string
	// Headers are sent with every request, where Token would be sent: they may hold secrets, too.
	Headers map[string]string
	// UserAgent names the caller; empty: "weir".
	UserAgent string
	// RefuseLocal refuses to connect to addresses of this machine and of its links, whatever name they have: for
	// addresses that come from elsewhere than the configuration. Proxies are not used then.
	RefuseLocal bool
	// Transport carries the requests instead of HTTP over TCP or a Unix socket, and sees to privacy itself: TLS and
	// RefuseLocal are its business, and the URL may have the scheme nats. Nil: HTTP. It is the caller's to close.
	Transport http.RoundTripper
	// Answers bounds the memory that large answers take, of all clients that share it; nil: no bound but MaxResponse.
	Answers *Answers
}

// TLS is how to verify the server and what to show it. Certificates are PEM texts, not files.
type TLS struct {
	CA          string // verifies the server; empty: the system's authorities
	Certificate string // shown to the server, with Key
	Key         string
	ServerName  string // expected in the server's certificate; empty: the host of the URL
	SkipVerify  bool   // trusts any server
}

// DefaultConfig needs a URL.
func DefaultConfig() Config {
	return Config{Timeout: 30 * time.Second, MaxResponse: 256 << 20, UserAgent: "weir"}
}

// defaultPort is where probes and gateways listen.
const defaultPort = "8145"

// address is a parsed Config.URL.
type address struct {
	base   *url.URL // without a trailing slash
	socket string   // path of a Unix socket, or empty
}

// String is the address as people know it, without user and password.
func (a address) String() string {
	if a.socket != "" {
		return "unix:" + a.socket
	}
	shown := *a.base
	shown.User = nil
	return shown.String()
}

// IsPrivate says that what is sent to an address cannot be read on the way: by TLS, or within this machine.
func IsPrivate(text string) bool {
	a, err := parseAddress(text, false)
	return err == nil && a.private()
}

// private says whether what is sent to the address can be read on the way.
func (a address) private() bool {
	if a.socket != "" || a.base.Scheme == "https" {
		return true
	}
	host := a.base.Hostname()
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// schemeNATS is that of addresses which a Config.Transport reaches.
const schemeNATS = "nats"

// parseAddress reads an address; carried says that a transport of the caller's goes there.
func parseAddress(text string, carried bool) (address, error) {
	text = strings.TrimSpace(text)
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path = "/" + strings.TrimLeft(path, "/")
		if path == "/" {
			return address{}, fmt.Errorf("address %q: expected the path of a socket, such as unix:/run/weir/probe.sock", text)
		}
		return address{base: &url.URL{Scheme: "http", Host: "unix"}, socket: path}, nil
	}
	if text == "" {
		return address{}, errors.New("the address is empty: expected host:8145, https://host:8145 or unix:/path")
	}
	full := text
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return address{}, fmt.Errorf("address %q: expected host:8145, https://host:8145 or unix:/path", shown(text))
	}
	if u.Scheme != "http" && u.Scheme != "https" && (u.Scheme != schemeNATS || !carried) {
		return address{}, fmt.Errorf("address %q: unknown scheme %q: expected http, https or unix", shown(text), u.Scheme)
	}
	if strings.HasSuffix(u.Host, ":") {
		return address{}, fmt.Errorf("address %q: the port is missing after the colon", shown(text))
	}
	if u.Port() == "" && !strings.Contains(text, "://") {
		u.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return address{base: u}, nil
}

// shown is a text of the user without what might be a password.
func shown(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

// Config builds the TLS configuration.
func (t TLS) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.SkipVerify}
	if t.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(t.CA)) {
			return nil, errors.New("the CA holds no certificate in PEM form")
		}
	}
	if t.Certificate == "" && t.Key == "" {
		return config, nil
	}
	pair, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key))
	if err != nil {
		return nil, fmt.Errorf("read the client certificate and its key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
