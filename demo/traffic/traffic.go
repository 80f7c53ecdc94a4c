// Package traffic makes what the demo measures: real sockets of a workstation, a web server and a server of services
// talk HTTP, DNS, an SSH-like protocol and ping, over IPv4 and IPv6. Rates are small and bounded; everything ends with
// the context. Hosts are network namespaces, or all the same machine.
package traffic

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os/exec"
	"sync"
	"time"
)

// Host is one end of the conversations.
type Host struct {
	Name       string
	IPv4, IPv6 netip.Addr
	// Do calls a function where sockets are the host's.
	Do func(func() error) error
	// Command is a command that runs on the host.
	Command func(name string, arguments ...string) *exec.Cmd
}

// Ports the services listen on.
type Ports struct{ HTTP, DNS, SSH, Closed uint16 }

// WellKnown ports need the right to open ports below 1024.
func WellKnown() Ports { return Ports{HTTP: 80, DNS: 53, SSH: 22, Closed: 23} }

// High ports can be opened by everybody.
func High() Ports { return Ports{HTTP: 18080, DNS: 18053, SSH: 18022, Closed: 18023} }

// Plan is who talks.
type Plan struct {
	Workstation, Web, Services Host
	Ports                      Ports
	Logger                     *slog.Logger
}

// Run serves and talks until ctx ends. It returns an error when a service cannot be opened; a conversation that fails
// is logged and tried again.
func (p Plan) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	for _, start := range []func(context.Context, *sync.WaitGroup) error{p.serveHTTP, p.serveDNS, p.serveSSH} {
		if err := start(ctx, &group); err != nil {
			cancel()
			return err
		}
	}
	for _, t := range p.talks() {
		group.Go(func() { p.repeat(ctx, t) })
	}
	<-ctx.Done()
	return nil
}

// talk is a conversation that is had again and again.
type talk struct {
	name  string
	every time.Duration
	once  func(context.Context) error
}

func (p Plan) talks() []talk {
	return []talk{
		{"web page over IPv4", 250 * time.Millisecond, p.fetch(p.Workstation, p.Web.IPv4, "/page")},
		{"picture over IPv6", 400 * time.Millisecond, p.fetch(p.Workstation, p.Web.IPv6, "/picture")},
		{"backup over IPv6", time.Second, p.fetch(p.Services, p.Web.IPv6, "/backup")},
		{"name over IPv4", 300 * time.Millisecond, p.ask(p.Workstation, p.Services.IPv4)},
		{"name over IPv6", 500 * time.Millisecond, p.ask(p.Web, p.Services.IPv6)},
		{"shell over IPv4", 100 * time.Millisecond, p.shell(p.Workstation, p.Services.IPv4)},
		{"refused connection", time.Second, p.refused(p.Workstation, p.Services.IPv4)},
		{"ping over IPv4", time.Second, p.ping(p.Workstation, p.Web.IPv4)},
		{"ping over IPv6", time.Second, p.ping(p.Workstation, p.Services.IPv6)},
	}
}

// failureLog is how often a conversation that keeps failing is mentioned.
const failureLog = 30 * time.Second

func (p Plan) repeat(ctx context.Context, t talk) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	var mentioned time.Time
	for {
		err := t.once(ctx)
		if ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
			return
		}
		if err != nil && time.Since(mentioned) > failureLog {
			p.Logger.Debug("demo traffic", "talk", t.name, "error", err)
			mentioned = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
