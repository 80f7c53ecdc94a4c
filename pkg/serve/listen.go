package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// maxSocketPath is what a socket address holds on Linux and macOS, the shorter of the two.
const maxSocketPath = 103

// listener is an open place to listen. It stands in the context of each of its requests.
type listener struct {
	net.Listener
	cfg     Listen
	tls     *tls.Config
	trusted bool // no listener at all: see Server.Handler
}

type listenerKey struct{}

func (l *listener) String() string {
	switch {
	case l.cfg.Unix != "":
		return "unix:" + l.cfg.Unix
	case l.tls != nil:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

func (l *listener) serve(server *http.Server) error {
	if l.tls != nil {
		server.TLSConfig = l.tls
		return server.ServeTLS(l.Listener, "", "")
	}
	return server.Serve(l.Listener)
}

func open(ctx context.Context, cfg Listen) (*listener, error) {
	l := &listener{cfg: cfg}
	var err error
	if cfg.TLS != nil {
		if l.tls, err = tlsConfig(cfg.TLS); err != nil {
			return nil, err
		}
	}
	if cfg.Unix != "" {
		l.Listener, err = openUnix(ctx, cfg)
	} else {
		l.Listener, err = openTCP(ctx, cfg.TCP)
	}
	return l, err
}

func openTCP(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("listen on tcp %s: the address is in use by another process: stop that one (ss -ltnp 'sport = :%s' names it) or choose another address", address, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("listen on tcp %s: this machine does not have the address", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on tcp %s: not permitted: ports below 1024 need the capability CAP_NET_BIND_SERVICE", address)
	case err != nil:
		return nil, fmt.Errorf("listen on tcp %s: %w", address, err)
	}
	return l, nil
}

func openUnix(ctx context.Context, cfg Listen) (net.Listener, error) {
	if len(cfg.Unix) > maxSocketPath {
		return nil, fmt.Errorf("listen on unix:%s: the path is longer than the %d bytes a socket address holds", cfg.Unix, maxSocketPath)
	}
	// A service manager makes the directory; who starts the probe by hand should not have to.
	if err := os.MkdirAll(filepath.Dir(cfg.Unix), 0o755); err != nil {
		return nil, fmt.Errorf("listen on unix:%s: make its directory: %w", cfg.Unix, err)
	}
	if err := removeStale(ctx, cfg.Unix); err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", cfg.Unix, err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", cfg.Unix)
	if err != nil {
		var system *os.SyscallError
		if errors.As(err, &system) {
			err = system.Err
		}
		return nil, fmt.Errorf("listen on unix:%s: %w", cfg.Unix, err)
	}
	if err := own(cfg); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on unix:%s: %w", cfg.Unix, err)
	}
	return l, nil
}

// removeStale removes a socket that nobody answers on, left behind by a process that was killed.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("the path exists and is no socket")
	}
	dialer := net.Dialer{Timeout: time.Second}
	c, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
		return errors.New("another process answers on it: stop that one or choose another path")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot tell whether another process uses it: %w", err)
	}
	return os.Remove(path)
}

// own gives a socket its group and mode.
func own(cfg Listen) error {
	if cfg.Group != "" {
		group, err := user.LookupGroup(cfg.Group)
		if err != nil {
			return fmt.Errorf("group %q does not exist", cfg.Group)
		}
		id, err := strconv.Atoi(group.Gid)
		if err != nil {
			return fmt.Errorf("group %q has no number", cfg.Group)
		}
		if err := os.Chown(cfg.Unix, -1, id); err != nil {
			return fmt.Errorf("give the socket to group %s: %w", cfg.Group, err)
		}
	}
	return os.Chmod(cfg.Unix, 0o660)
}

func tlsConfig(cfg *TLS) (*tls.Config, error) {
	pair := &keyPair{certificate: cfg.Certificate, key: cfg.Key}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	if cfg.ClientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(cfg.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read tls.client_ca: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read tls.client_ca %s: it holds no certificate in PEM form", cfg.ClientCA)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	return config, nil
}
