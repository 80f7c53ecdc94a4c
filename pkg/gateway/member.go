package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/wire"
)

// member is a host of the fleet that is given the lists of addresses which a query names, once each: there they go by
// the hash of their content, whatever they are called here.
type member struct {
	*client.Client
	lists *actors.Store

	mu    sync.Mutex
	given map[string]bool // hashes of lists that the host was given
}

// maxGiven bounds what is remembered.
const maxGiven = 1024

// Query satisfies fleet.Client.
func (m *member) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	used, err := m.byHash(r)
	if err != nil || len(used) == 0 {
		if err != nil {
			return nil, err
		}
		return m.Client.Query(ctx, r)
	}
	again := false
	for _, l := range used {
		remembered, err := m.give(ctx, l)
		if err != nil {
			return nil, err
		}
		again = again || remembered
	}
	result, err := m.Client.Query(ctx, r)
	var refused *client.Error
	if !again || !errors.As(err, &refused) || refused.Kind != client.KindUser {
		return result, err
	}
	m.forget() // it may have forgotten the lists, too: servers drop those that are not used, and all when they end
	for _, l := range used {
		if _, err := m.give(ctx, l); err != nil {
			return nil, err
		}
	}
	return m.Client.Query(ctx, r)
}

// byHash puts hashes for the names of lists that are known here, and returns these. Other names are left to the host.
func (m *member) byHash(r *wire.Request) (used []*actors.List, err error) {
	hash := func(name string) string {
		l := m.lists.Get(strings.TrimPrefix(name, "@"))
		if l == nil {
			return name
		}
		used = append(used, l)
		return l.Hash()
	}
	if r.Actors != nil && r.Actors.List != "" {
		set := *r.Actors
		set.List = hash(set.List)
		r.Actors = &set
	}
	if !strings.Contains(r.Condition, "@") {
		return used, nil
	}
	condition, err := filter.Parse(r.Condition)
	if err == nil && condition != nil {
		condition, err = condition.RenameLists(func(name string) (string, error) { return hash(name), nil })
	}
	if err != nil {
		return nil, fmt.Errorf("name the lists of the condition by their hashes: %w", err)
	}
	r.Condition = condition.String()
	return used, nil
}

// give uploads a list unless the host has it; remembered says that only our memory says that it has.
func (m *member) give(ctx context.Context, l *actors.List) (remembered bool, err error) {
	m.mu.Lock()
	remembered = m.given[l.Hash()]
	m.mu.Unlock()
	if remembered {
		return true, nil
	}
	if err := m.Upload(ctx, l); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.given == nil || len(m.given) >= maxGiven {
		m.given = make(map[string]bool)
	}
	m.given[l.Hash()] = true
	return false, nil
}

func (m *member) forget() {
	m.mu.Lock()
	m.given = nil
	m.mu.Unlock()
}

// misconfigured is a host that cannot be asked as things are configured: every answer says so.
type misconfigured struct {
	address string
	err     error
}

func (c *misconfigured) fail() error {
	return &client.Error{Kind: client.KindAuth, Server: c.address, Text: "not asked: " + c.err.Error(), Cause: c.err}
}

// Query satisfies fleet.Client.
func (c *misconfigured) Query(context.Context, *wire.Request) (*wire.Result, error) {
	return nil, c.fail()
}

// Catalog satisfies fleet.Client.
func (c *misconfigured) Catalog(context.Context) (*wire.Catalog, error) { return nil, c.fail() }

var (
	_ fleet.Prober = (*member)(nil)
	_ fleet.Client = (*misconfigured)(nil)
)
