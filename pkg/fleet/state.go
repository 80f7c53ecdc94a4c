package fleet

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// state is what is remembered of a host between queries.
type state struct {
	client  Client
	breaker breaker

	outcomes totals

	mu     sync.Mutex
	able   wire.Abilities // as of ableAt
	ableAt time.Time

	asking  chan struct{}                // of capacity 1, full while somebody asks for the catalog
	catalog atomic.Pointer[wire.Catalog] // the last one
	fresh   HostCatalog                  // the last outcome, be it an error
	freshAt time.Time
}

// totals count outcomes: answers, and failures by class.
type totals struct {
	mu       sync.Mutex
	answers  uint64
	failures map[wire.Class]uint64
}

// count books an outcome; the class of an answer is empty.
func (t *totals) count(class wire.Class) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if class == "" {
		t.answers++
		return
	}
	if t.failures == nil {
		t.failures = make(map[wire.Class]uint64)
	}
	t.failures[class]++
}

func (t *totals) get() (answers uint64, failures map[wire.Class]uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers, maps.Clone(t.failures)
}

// Totals counts the answers of hosts, and the hosts that did not answer by class, since the fleet was made.
func (f *Fleet) Totals() (answers uint64, failures map[wire.Class]uint64) {
	return f.outcomes.get()
}

// HostState is a host and how it did since it is known.
type HostState struct {
	Name     string                `json:"name"`
	Labels   map[string]string     `json:"labels,omitempty"`
	Groups   []string              `json:"groups,omitempty"`
	Gateway  bool                  `json:"gateway,omitempty"`
	Answers  uint64                `json:"answers"`
	Failures map[wire.Class]uint64 `json:"failures,omitempty"`
	Breaker  BreakerState          `json:"breaker"`
}

// Hosts says how the hosts are, in the order of their names; it asks none.
func (f *Fleet) Hosts() []HostState {
	hosts := f.list()
	list := make([]HostState, len(hosts))
	for i, h := range hosts {
		s := h.state
		list[i] = HostState{Name: h.Name, Labels: h.Labels, Groups: h.Groups, Gateway: h.Gateway}
		list[i].Answers, list[i].Failures = s.outcomes.get()
		list[i].Breaker = s.breaker.state(f.now(), f.cfg.BreakerFailures)
	}
	return list
}
