// Package fleet runs three probes as a fleet for the demo and for end-to-end tests: three hosts on one switch in
// network namespaces of their own, with live capture; or, where namespaces cannot be made, three probes on this
// machine's loopback interface; or, where nothing may be captured, three probes over replayed traces. The probes are
// real processes with TLS and a token; the traffic is that of package traffic.
//
// Close ends every process by its id and removes every namespace and file that the fleet made.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirflow/weir/demo/traffic"
)

// Mode is where the probes capture.
type Mode string

// The modes.
const (
	Auto       Mode = "auto"       // the first of the others that is possible
	Namespaces Mode = "namespaces" // live, in network namespaces
	Interfaces Mode = "interfaces" // live, on this machine's loopback interface
	Traces     Mode = "traces"     // replayed
)

// Config of a fleet.
type Config struct {
	Probe    string        // path of weir-probe
	Mode     Mode          // empty: Auto
	Interval time.Duration // of the probes' meters
	Logger   *slog.Logger
}

// Fleet is three running probes.
type Fleet struct {
	cfg     Config
	dir     string
	mode    Mode
	why     string // why not the modes before this one
	secrets *secrets
	hosts   []*host
	plan    traffic.Plan

	stop  context.CancelFunc
	talk  sync.WaitGroup
	close []func() error
}

// Member is a probe as clients see it.
type Member struct{ Name, URL string }

// New makes namespaces or traces and prepares the probes; nothing runs before Start. After an error nothing is left.
func New(cfg Config) (*Fleet, error) {
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return nil, err
	}
	f := &Fleet{cfg: cfg, dir: dir, close: []func() error{func() error { return os.RemoveAll(dir) }}}
	if f.secrets, err = newSecrets(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.choose(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// choose prepares the first mode that is possible, or the one that is wanted.
func (f *Fleet) choose() error {
	prepare := map[Mode]func() error{Namespaces: f.prepareNamespaces, Interfaces: f.prepareInterfaces, Traces: f.prepareTraces}
	if want := f.cfg.Mode; want != "" && want != Auto {
		f.mode = want
		if prepare[want] == nil {
			return fmt.Errorf("unknown mode %q: auto, namespaces, interfaces or traces", want)
		}
		return prepare[want]()
	}
	for _, mode := range []Mode{Namespaces, Interfaces, Traces} {
		f.mode = mode
		err := prepare[mode]()
		if err == nil {
			return nil
		}
		f.why += fmt.Sprintf("%s: %v; ", mode, err)
		f.hosts = nil
	}
	return errors.New(f.why)
}

// Start runs the probes and the traffic.
func (f *Fleet) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	for _, h := range f.hosts {
		if err := h.start(); err != nil {
			return err
		}
	}
	if f.mode == Traces {
		return nil
	}
	f.plan.Logger = f.cfg.Logger
	failed := make(chan error, 1)
	f.talk.Go(func() { failed <- f.plan.Run(ctx) })
	select {
	case err := <-failed:
		return err
	case <-time.After(200 * time.Millisecond): // services that cannot be opened fail at once
		return nil
	}
}

// Close ends everything and removes what was made. It may be called more than once.
func (f *Fleet) Close() error {
	if f.stop != nil {
		f.stop()
	}
	f.talk.Wait()
	var faults []error
	for _, h := range f.hosts {
		faults = append(faults, h.stop())
	}
	for i := len(f.close) - 1; i >= 0; i-- {
		faults = append(faults, f.close[i]())
	}
	f.hosts, f.close = nil, nil
	return errors.Join(faults...)
}

// Mode says where the probes capture, and why not somewhere better; the reason may be empty.
func (f *Fleet) Mode() (Mode, string) { return f.mode, f.why }

// Members are the probes.
func (f *Fleet) Members() []Member {
	var members []Member
	for _, h := range f.hosts {
		members = append(members, Member{h.name, h.url()})
	}
	return members
}

// Plan is who talks to whom.
func (f *Fleet) Plan() traffic.Plan { return f.plan }

// TokenFile and CAFile are what a client needs beside an address.
func (f *Fleet) TokenFile() string { return filepath.Join(f.dir, "token") }

// CAFile is the certificate that the probes' certificates are checked against.
func (f *Fleet) CAFile() string { return filepath.Join(f.dir, "tls.crt") }

// Token is the text in TokenFile, CA the one in CAFile.
func (f *Fleet) Token() string { return f.secrets.token }

// CA is the PEM text in CAFile.
func (f *Fleet) CA() string { return f.secrets.certificate }

// StopProbe ends one probe as SIGTERM does; its address then refuses.
func (f *Fleet) StopProbe(name string) error {
	h, err := f.host(name)
	if err != nil {
		return err
	}
	return h.stop()
}

// StartProbe runs a stopped probe again, at the same address.
func (f *Fleet) StartProbe(name string) error {
	h, err := f.host(name)
	if err != nil {
		return err
	}
	return h.start()
}

func (f *Fleet) host(name string) (*host, error) {
	for _, h := range f.hosts {
		if h.name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("no probe %q in this fleet", name)
}
