// Package agent is the probe as a whole: it opens the store, brings home what a killed run left behind, keeps one
// meter running on every interface that is to be captured, and answers queries over stored and current intervals.
// It is floor 4: capture, meter, store and engine are below it, the HTTP server of the contract (pkg/serve) beside it.
//
// Invariants: one interface never stops another; an interface that goes is looked for again and captured when it is
// back; when Run returns, everything seen is in the store or the error says what is not.
package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/meter"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// Host is who this host is.
type Host struct {
	// Name of the host in every row; empty: the system's host name.
	Name string `yaml:"name"`
	// ID of the host in every row; empty: the UUID that was made with the store.
	ID string `yaml:"id"`
	// Labels of the host, such as company, customer, site or role.
	Labels map[string]string `yaml:"labels"`
}

// Capture says what is captured.
type Capture struct {
	// Interfaces to capture: names, globs (eth*), regular expressions (/^wan/) or any (all but lo). Empty: none, the
	// probe only answers queries.
	Interfaces []string `yaml:"interfaces"`
	// Exclude takes interfaces out again; same forms.
	Exclude []string `yaml:"exclude"`
	// Backend is ring or slimcap. ring sees every frame, with its VLAN tag and its time; slimcap, the library, sees
	// IPv4, IPv6 and PPPoE session frames only, and the others are not counted.
	Backend capture.Backend `yaml:"backend"`
	// Promiscuous takes in frames that are addressed to others, too: for mirror ports.
	Promiscuous bool `yaml:"promiscuous"`
	// BlockSize of the capture ring in bytes, a power of two.
	BlockSize int `yaml:"block_size"`
	// Blocks of the capture ring; the ring takes block_size × blocks bytes for each interface.
	Blocks int `yaml:"blocks"`
	// RingMemory bounds in bytes the rings of all interfaces together. Where they would take more, each gets fewer blocks,
	// though at least four.
	RingMemory int64 `yaml:"ring_memory"`
	// Rescan is how often interfaces that came or went are looked for, beside the moments when the kernel says so.
	Rescan time.Duration `yaml:"rescan"`
	// Fanout is how many rings, with a thread each, share the frames of an interface: more than 1 for one that is too
	// busy for one core.
	Fanout int `yaml:"fanout"`
	// Filter says in tcpdump's language which frames are metered, empty: all (docs/CAPTURE.md). The others are counted
	// as filtered.
	Filter string `yaml:"filter"`
	// VLAN is ignore, split or only. ignore: VLANs make no difference. split: each VLAN is an interface of its own,
	// eth0.100. only: split, and all frames but those of vlans are filtered.
	VLAN meter.VLANMode `yaml:"vlan"`
	// VLANs are the ids for which vlan is only.
	VLANs []uint16 `yaml:"vlans"`
	// Tunnels is outer or both. both: what GRE, IP in IP, VXLAN and Geneve carry is metered, too, on interfaces such as
	// eth0~vxlan.42. They count in no total, and only where they are named.
	Tunnels meter.Tunnels `yaml:"tunnels"`
	// Derived bounds the interfaces that are made of one for VLANs and, as many, for tunnels; the rest goes to
	// eth0.more and eth0~more.
	Derived int `yaml:"derived"`
	// Settings of single interfaces, where they differ from those above.
	Settings []Settings `yaml:"settings"`
}

// Config of the agent.
type Config struct {
	Host    Host
	Store   store.Config
	Capture Capture
	Meter   meter.Config
	Engine  query.Config
}

// DefaultConfig captures nothing.
func DefaultConfig() Config {
	return Config{
		Store: store.DefaultConfig(),
		Capture: Capture{
			Interfaces: []string{}, Exclude: []string{}, Backend: capture.BackendRing,
			BlockSize: capture.DefaultBlockSize, Blocks: capture.DefaultBlocks, Rescan: 10 * time.Second, RingMemory: 64 << 20,
			Fanout: 1, VLAN: meter.VLANIgnore, VLANs: []uint16{}, Tunnels: meter.TunnelsOuter, Derived: meter.DefaultDerived,
			Settings: []Settings{},
		},
		Meter:  meter.DefaultConfig(),
		Engine: query.DefaultConfig(),
	}
}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.Capture.Rescan < time.Second {
		faults = append(faults, fmt.Errorf("capture.rescan is %s: at least 1s", c.Capture.Rescan))
	}
	if err := c.Capture.Backend.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("capture.backend: %w", err))
	}
	if err := c.Capture.validate(); err != nil {
		faults = append(faults, err)
	}
	m := c.Meter
	m.Interface, m.CheckpointDir = "any", "any" // given by the agent later
	if err := m.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("meter: %w", err))
	}
	return errors.Join(faults...)
}

// Deps of an agent. Logger is required.
type Deps struct {
	Logger *slog.Logger
	// Registerer takes the agent's metrics; nil: none.
	Registerer prometheus.Registerer
	// Open opens an interface for capture with so many rings; nil: capture.OpenLive and capture.OpenGroup. List lists
	// the machine's interfaces; nil: capture.Interfaces. Watch sends whenever interfaces may have changed, until its
	// context ends; nil: the kernel says so. Now is the wall clock; nil: time.Now.
	Open  func(cfg capture.LiveConfig, rings int) ([]capture.Source, error)
	List  func() ([]string, error)
	Watch func(ctx context.Context, changed chan<- struct{})
	Now   func() time.Time
	// NATS is how the connection to the NATS servers is, for Status; nil: there is none.
	NATS func() natshttp.Status
	// Reload reads the configuration again; nil: Agent.Reload goes back to the one that New got.
	Reload func() (Capture, error)
}

// Agent is a probe. New opens its store; Run captures; Query and Catalog may be called in between by any goroutine.
type Agent struct {
	cfg     Config
	deps    Deps
	store   *store.Store
	engine  *query.Engine
	boot    [16]byte
	started time.Time
	host    string
	hostID  string

	turn    sync.Mutex // held while captures are started and stopped
	running *running   // what Run has, nil while it does not

	mutex  sync.RWMutex
	wanted wanted
	meters map[string]*metered                // by interface: running, stopped, or not to be captured yet
	left   map[string][]checkpoint.Unfinished // what an earlier run left open, by captured interface
	runs   uint64                             // meters made so far
}

// New opens the store for writing and recovers what a killed run left in its checkpoints. Close releases the store.
func New(cfg Config, deps Deps) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Open == nil {
		deps.Open = open
	}
	if deps.List == nil {
		deps.List = capture.Interfaces
	}
	if deps.Watch == nil {
		deps.Watch = func(ctx context.Context, changed chan<- struct{}) { watch(ctx, changed, deps.Logger) }
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	a := &Agent{cfg: cfg, deps: deps, host: cfg.Host.Name, meters: map[string]*metered{}, started: deps.Now(),
		wanted: wanted{capture: cfg.Capture}, left: map[string][]checkpoint.Unfinished{}}
	if _, err := rand.Read(a.boot[:]); err != nil {
		return nil, fmt.Errorf("make a boot id: %w", err)
	}
	if a.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find the host's name (host.name in the configuration names it): %w", err)
		}
		a.host = name
	}
	var err error
	if a.store, err = store.Open(cfg.Store, store.Deps{Logger: deps.Logger}); err != nil {
		return nil, err
	}
	if err := a.assemble(); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

func (a *Agent) assemble() error {
	a.hostID = a.cfg.Host.ID
	if a.hostID == "" {
		a.hostID = a.store.HostID()
	}
	a.recover()
	engine, err := query.New(a.cfg.Engine, query.Deps{
		Stored: query.Stored(a.store), Live: live{a}, Interval: a.cfg.Meter.Interval,
		Host: a.host, HostID: a.hostID, Labels: a.cfg.Host.Labels, Now: a.deps.Now,
	})
	if err != nil {
		return err
	}
	a.engine = engine
	if a.deps.Registerer != nil {
		if err := a.deps.Registerer.Register(collector{a}); err != nil {
			return fmt.Errorf("register the agent's metrics: %w", err)
		}
	}
	return nil
}

// checkpointDir is private to the probe and beside its store.
func (a *Agent) checkpointDir() string { return filepath.Join(a.cfg.Store.Path, "checkpoint") }

// recover stores the intervals that a killed run did not finish. What cannot be read stays where it is and is named;
// it does not keep the probe from starting.
func (a *Agent) recover() {
	if err := checkpoint.Recover(vfs.OS{}, a.checkpointDir(), a.recovered); err != nil {
		a.deps.Logger.Error("recover checkpoints: what is named stays on disk", "error", err)
	}
}

// recovered stores an unfinished interval and keeps what it leaves open for the meter to come.
func (a *Agent) recovered(u checkpoint.Unfinished) error {
	if !u.IsEmpty() {
		a.deps.Logger.Info("recovered an unfinished interval", "interface", u.Interface,
			"end", time.Unix(u.Interval.End, 0).UTC(), "rows", len(u.Records), "torn", u.Torn)
		if err := a.store.Append(context.Background(), u.Interface, u.Interval, u.Records); err != nil {
			return err
		}
	}
	if len(u.Open) == 0 {
		return nil
	}
	u.Records = nil
	parent := meter.Parent(u.Interface)
	for _, of := range slices.Compact([]string{u.Interface, parent}) { // eth0.100 may be a captured interface itself
		a.left[of] = replaceRun(a.left[of], u)
	}
	return nil
}

// replaceRun adds what a run has left open: of each run and interface the latest counts.
func replaceRun(all []checkpoint.Unfinished, u checkpoint.Unfinished) []checkpoint.Unfinished {
	for i := range all {
		if all[i].Interface == u.Interface && all[i].Interval.Boot == u.Interval.Boot {
			if all[i].Interval.Sequence < u.Interval.Sequence {
				all[i] = u
			}
			return all
		}
	}
	return append(all, u)
}

// Close releases the store; Run must have returned.
func (a *Agent) Close() error { return a.store.Close() }
