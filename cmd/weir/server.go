package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/version"
)

// defaultTimeout bounds one command: a year of a busy store takes less.
const defaultTimeout = 5 * time.Minute

// connection is how to reach servers: the flags that all verbs have in common.
type connection struct {
	token, tokenFile string
	ca, cert, key    string
	timeout          time.Duration
}

func (c *connection) register(set *pflag.FlagSet) {
	set.StringVar(&c.token, "token", "", "bearer `TOKEN` of the server (default environment WEIR_TOKEN; mind that a command line is seen by others)")
	set.StringVar(&c.tokenFile, "token-file", "", "read the token from `FILE`")
	set.StringVar(&c.ca, "ca", "", "trust the certificates (PEM) in `FILE` instead of the system's")
	set.StringVar(&c.cert, "cert", "", "show the certificate (PEM) in `FILE` to the server")
	set.StringVar(&c.key, "key", "", "key (PEM) of --cert, in `FILE`")
	set.DurationVar(&c.timeout, "timeout", defaultTimeout, "`TIME` for the answer, of each server; 0 for no bound")
}

// check refuses flags that contradict each other or that nothing would heed.
func (c *connection) check(remote bool) error {
	switch {
	case c.token != "" && c.tokenFile != "":
		return usage("--token and --token-file exclude each other", "")
	case (c.cert == "") != (c.key == ""):
		return usage("--cert and --key belong together", "")
	case c.timeout < 0:
		return usage(fmt.Sprintf("--timeout %v: must not be negative", c.timeout), "")
	case !remote && cmp.Or(c.token, c.tokenFile, c.ca, c.cert) != "":
		return usage("tokens and certificates are for servers, and a local store is read", "name the server with --server ADDR")
	}
	return nil
}

// within bounds what is read of this machine's store as an answer of a server is bounded.
func (c *connection) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(c.timeout, noTimeout))
}

// dialOrLocal makes a client of the server, or of the probe of this machine where none is named.
func (a *app) dialOrLocal(c *connection, address string) (*client.Client, error) {
	if address == "" {
		socket, err := a.localServer()
		if err != nil {
			return nil, err
		}
		address = socket
	}
	return a.dial(c, address)
}

// dial makes a client of the server; it connects to nothing yet.
func (a *app) dial(c *connection, address string) (*client.Client, error) {
	cfg := client.DefaultConfig()
	cfg.URL, cfg.Timeout, cfg.UserAgent = address, c.timeout, "weir/"+version.String()
	cfg.Token = cmp.Or(c.token, a.getenv("WEIR_TOKEN"))
	for _, file := range []struct {
		flag, path string
		into       *string
	}{{"--token-file", c.tokenFile, &cfg.Token}, {"--ca", c.ca, &cfg.TLS.CA}, {"--cert", c.cert, &cfg.TLS.Certificate}, {"--key", c.key, &cfg.TLS.Key}} {
		if file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			return nil, failure(fmt.Errorf("%s: %w", file.flag, err), "")
		}
		if *file.into = strings.TrimSpace(string(text)); *file.into == "" {
			return nil, usage(fmt.Sprintf("%s: %s is empty", file.flag, file.path), "")
		}
	}
	server, err := client.New(cfg, client.Deps{Now: a.now})
	if err != nil {
		return nil, usage("--server: "+err.Error(), "")
	}
	return server, nil
}

// localSocket returns the address of this machine's probe, false if it has no socket.
func (a *app) localSocket() (string, bool) {
	info, err := os.Stat(a.socket)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return "", false
	}
	return "unix:" + a.socket, true
}

// localServer is this machine's probe, for verbs that only a probe can answer.
func (a *app) localServer() (string, error) {
	socket, ok := a.localSocket()
	if !ok {
		return "", failure(fmt.Errorf("no probe to ask: there is no socket at %s", a.socket),
			"start weir-probe, or name a server with --server ADDR")
	}
	return socket, nil
}

// named splits NAME=ADDR; the name is empty where there is none.
func named(text string) (name, address string) {
	name, address, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.ContainsAny(name, ":/@[]") {
		return "", text
	}
	return name, address
}

// unreachable says that no server is there, which is another thing than one that refuses.
func unreachable(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && (e.Kind == client.KindRefused || e.Kind == client.KindUnreachable)
}
