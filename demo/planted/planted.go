// Package planted writes the stores of a small fleet in which the answers to the questions that Weir is for are known:
// two companies, three sites, routers and servers, everyday traffic, and planted in it an access, blocked attempts,
// asymmetric routes, a bandwidth hog, an address of a list, and an hour to look back at. Tests of the command line and of
// dashboards ask it and compare with Answers.
//
// Invariants: what is written depends on Config alone; the planted flows and the everyday ones have no address in
// common but for those of the hosts' networks; all data lies before Config.Now, in whole intervals.
//
//	acme, site zrh    acme-zrh-r1, acme-zrh-r2   routers, lan0 and wan0       10.10.0.0/16
//	acme, site ber    acme-ber-r1                router, lan0 and wan0        10.20.0.0/16
//	globex, site nyc  globex-nyc-r1              router, lan0 and wan0        10.40.0.0/16
//	                  globex-nyc-db1             server 10.40.0.9, eth0
//
// Neighbours: store keeps what is written; demo and tests serve it by weir-probe or by an engine.
package planted

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirflow/weir/probe/store"
)

// interval is the length of all intervals.
const interval = 5 * time.Minute

// Config says when the fleet's data are.
type Config struct {
	Now time.Time // the data end with the last whole interval before it
	// Days is how many days there are, 2 at least; 0: 4.
	Days int
}

// Host is a host with its store.
type Host struct {
	Name      string
	ID        string // of the store
	Labels    map[string]string
	Directory string // of the store
}

// hosts are those of the fleet.
func hosts() []Host {
	label := func(company, site, role string) map[string]string {
		return map[string]string{"company": company, "site": site, "role": role}
	}
	return []Host{
		{Name: zurich1, Labels: label("acme", "zrh", "router")},
		{Name: zurich2, Labels: label("acme", "zrh", "router")},
		{Name: berlin, Labels: label("acme", "ber", "router")},
		{Name: newYork, Labels: label("globex", "nyc", "router")},
		{Name: database, Labels: label("globex", "nyc", "server")},
	}
}

// The hosts and interfaces.
const (
	zurich1  = "acme-zrh-r1"
	zurich2  = "acme-zrh-r2"
	berlin   = "acme-ber-r1"
	newYork  = "globex-nyc-r1"
	database = "globex-nyc-db1"
	lan, wan = "lan0", "wan0"
	ethernet = "eth0"
)

// Fleet writes the stores into directories of dir, which are named as the hosts are, and returns the hosts in the order
// of a fixed inventory, and what is to be found.
func Fleet(ctx context.Context, dir string, cfg Config) ([]Host, *Answers, error) {
	if cfg.Days == 0 {
		cfg.Days = 4
	}
	if cfg.Days < 2 || cfg.Days > 400 || cfg.Now.Before(time.Unix(1e9, 0)) {
		return nil, nil, fmt.Errorf("plant a fleet: %d days before %s: expected 2 to 400 days before a time of this century", cfg.Days, cfg.Now)
	}
	b := newBuilder(cfg)
	b.everyday()
	answers := b.plant()
	list := hosts()
	failures := make([]error, len(list))
	var group sync.WaitGroup
	for i := range list {
		h := &list[i]
		h.Directory = filepath.Join(dir, h.Name)
		group.Go(func() { failures[i] = b.write(ctx, h) })
	}
	group.Wait()
	for i, err := range failures {
		if err != nil {
			return nil, nil, fmt.Errorf("plant %s: %w", list[i].Name, err)
		}
	}
	return list, answers, nil
}

// write makes the store of a host.
func (b *builder) write(ctx context.Context, h *Host) (err error) {
	s, err := store.Open(store.Config{Path: h.Directory}, store.Deps{Now: func() time.Time { return b.cfg.Now }})
	if err != nil {
		return err
	}
	defer func() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}()
	h.ID = s.HostID()
	for _, iface := range []string{lan, wan, ethernet} {
		rows := b.rows[point{h.Name, iface}]
		if rows == nil {
			continue
		}
		loader, err := s.NewLoader(iface)
		if err != nil {
			return err
		}
		for i := range b.intervals {
			iv, records := b.block(rows, i)
			if _, err := loader.Append(ctx, iv, records); err != nil {
				return err
			}
		}
		if err := loader.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}
