package natshttp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weirflow/weir/pkg/inventory"
)

// DiscoveryConfig says which hosts are listed, and how long.
type DiscoveryConfig struct {
	// Site of the hosts; empty: all.
	Site string
	// Remember is how long a host stays listed that stopped announcing itself without leave: as long, answers name it
	// among those that are missing. 0: 24 h.
	Remember time.Duration
	// MaxHosts bounds the list; 0: inventory.MaxHosts.
	MaxHosts int
	// Auth names the credentials to show to the hosts, in the terms of the inventory.
	Auth string
	// Labels for hosts that do not say them themselves.
	Labels map[string]string
}

// missed is after how many intervals without an announcement a host counts as silent.
const missed = 3

// Discovery keeps the list of hosts that announce themselves. It is an inventory.Notifier, and safe for concurrent use.
//
// While there is no connection nobody can be heard: the list stays as it is, and Load says so.
type Discovery struct {
	cfg     DiscoveryConfig
	link    *Link
	now     func() time.Time
	changed chan struct{}
	settled chan struct{} // closed when the hosts that were there had time to say so
	once    sync.Once

	mu      sync.Mutex
	known   map[Address]*known
	pending bool   // a change is about to be told
	refused uint64 // announcements that were none
	fault   string // the last of them
}

// known is a host that announced itself.
type known struct {
	said  Announcement
	heard time.Time
	rival string // id of another host of the same name, while both speak
	rived time.Time
}

// NewDiscovery returns a discovery that knows nobody yet; now may be nil.
func NewDiscovery(cfg DiscoveryConfig, link *Link, now func() time.Time) *Discovery {
	if cfg.Remember == 0 {
		cfg.Remember = 24 * time.Hour
	}
	if cfg.MaxHosts == 0 {
		cfg.MaxHosts = inventory.MaxHosts
	}
	if now == nil {
		now = time.Now
	}
	return &Discovery{cfg: cfg, link: link, now: now, changed: make(chan struct{}, 1), settled: make(chan struct{}), known: map[Address]*known{}}
}

var _ inventory.Notifier = (*Discovery)(nil)

// Name satisfies inventory.Source.
func (d *Discovery) Name() string {
	if d.cfg.Site == "" {
		return "nats"
	}
	return "nats site " + d.cfg.Site
}

// Changed satisfies inventory.Notifier. Changes are told a quarter of a second late, several at once.
func (d *Discovery) Changed() <-chan struct{} { return d.changed }

// Run listens until ctx ends.
func (d *Discovery) Run(ctx context.Context) error {
	site := "*"
	if d.cfg.Site != "" {
		site = Token(d.cfg.Site)
	}
	s, err := d.link.conn.Subscribe(prefix+site+".*.here", d.hear)
	if err != nil {
		return fmt.Errorf("nats: listen to announcements: %w", err)
	}
	defer func() { _ = s.Unsubscribe() }()
	asked := make(chan struct{}, 1)
	defer d.link.watch(func(up bool) {
		if up {
			d.extend()
			d.ask()
			select {
			case asked <- struct{}{}:
			default:
			}
		}
	})()
	if connected, _, _, _ := d.link.state(); connected {
		d.ask()
		asked <- struct{}{}
	}
	ticker := time.NewTicker(min(d.cfg.Remember/4, 10*time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			time.AfterFunc(settle+settle/2, func() { d.once.Do(func() { close(d.settled) }) })
		case <-ticker.C:
			d.expire()
		}
	}
}

// ask asks all hosts to announce themselves; they do within a second.
func (d *Discovery) ask() {
	_ = d.link.conn.Publish(discoverSubject, nil) // without a connection it is asked when there is one
}

// extend gives all hosts time to be heard again after nobody could be.
func (d *Discovery) extend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.known {
		k.heard = d.now()
	}
}

// hear takes an announcement.
func (d *Discovery) hear(m *nats.Msg) {
	said, err := decodeAnnouncement(m)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.refused++
		d.fault = err.Error()
		return
	}
	at, now := said.address(), d.now()
	k := d.known[at]
	switch {
	case said.Leaving:
		if k != nil && k.said.Instance == said.Instance {
			delete(d.known, at)
			d.tell()
		}
	case k == nil && len(d.known) >= d.cfg.MaxHosts:
		d.refused++
		d.fault = fmt.Sprintf("%s: beyond the limit of %d hosts", at, d.cfg.MaxHosts)
	case k == nil:
		d.known[at] = &known{said: *said, heard: now}
		d.tell()
	case k.said.ID != said.ID && k.speaks(now):
		k.rival, k.rived = said.ID, now // the first one keeps its place
	default:
		same := k.said.ID == said.ID && k.said.Gateway == said.Gateway && k.said.Version == said.Version && maps.Equal(k.said.Labels, said.Labels)
		silent := !k.speaks(now)
		k.said, k.heard = *said, now
		if !same || silent {
			d.tell()
		}
	}
}

// speaks says that the host was heard of lately.
func (k *known) speaks(now time.Time) bool { return now.Sub(k.heard) < missed*k.said.interval() }

// expire forgets hosts that have been silent for too long, unless nobody can be heard.
func (d *Discovery) expire() {
	if connected, _, _, _ := d.link.state(); !connected {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, k := range d.known {
		if d.now().Sub(k.heard) >= max(d.cfg.Remember, missed*k.said.interval()) {
			delete(d.known, at)
			d.tell()
		}
	}
}

// tell says that there is a change, once for all within a quarter of a second.
func (d *Discovery) tell() {
	if d.pending {
		return
	}
	d.pending = true
	time.AfterFunc(settle/4, func() {
		d.mu.Lock()
		d.pending = false
		d.mu.Unlock()
		select {
		case d.changed <- struct{}{}:
		default:
		}
	})
}

// Load satisfies inventory.Source: it waits, within ctx, until the hosts that are there had time to say so.
func (d *Discovery) Load(ctx context.Context) (*inventory.List, error) {
	select {
	case <-d.settled:
	case <-ctx.Done():
		_, _, _, last := d.link.state()
		return nil, fmt.Errorf("no connection to a NATS server yet%s", because(last))
	}
	if connected, _, since, last := d.link.state(); !connected {
		return nil, fmt.Errorf("no connection to a NATS server since %s%s: the hosts are those known then", since.UTC().Format(time.RFC3339), because(last))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) == 0 && d.refused > 0 {
		return nil, errors.New(d.fault)
	}
	return d.list(), nil
}

// list makes the inventory's list. Hosts of one name at several sites are called SITE/NAME, all of them.
func (d *Discovery) list() *inventory.List {
	now := d.now()
	sites := make(map[string]int)
	for at := range d.known {
		sites[at.Host]++
	}
	var entries []inventory.Entry
	var faults []string
	for at, k := range d.known {
		name := at.Host
		if sites[name] > 1 {
			name = at.String()
		}
		labels := maps.Clone(d.cfg.Labels)
		if labels == nil {
			labels = make(map[string]string, len(k.said.Labels)+1)
		}
		labels["site"] = at.Site
		maps.Copy(labels, k.said.Labels)
		entries = append(entries, inventory.Entry{Name: name, URL: at.URL(), ID: k.said.ID, Labels: labels, Gateway: k.said.Gateway, Auth: d.cfg.Auth, Discovered: true})
		if !k.speaks(now) {
			faults = append(faults, fmt.Sprintf("%s: silent since %s; listed until it is back, or for %v", name, k.heard.UTC().Format(time.RFC3339), d.cfg.Remember))
		}
		if k.rival != "" && now.Sub(k.rived) < missed*k.said.interval() {
			faults = append(faults, fmt.Sprintf("%s: two hosts have this name and site, with the ids %s and %s: give one of them another", name, k.said.ID, k.rival))
		}
	}
	slices.SortFunc(entries, func(a, b inventory.Entry) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(faults)
	list := inventory.NewStatic(entries, nil).List
	if d.refused > 0 {
		faults = append(faults, fmt.Sprintf("%d announcements were refused, the last one: %s", d.refused, d.fault))
	}
	list.FaultCount += len(faults)
	list.Faults = append(list.Faults, faults[:min(len(faults), maxFaults)]...)
	return list
}

// maxFaults bounds what is named.
const maxFaults = 20
