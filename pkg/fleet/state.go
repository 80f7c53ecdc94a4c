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

	mu       sync.Mutex
	answers  uint64
	failures map[wire.Class]uint64
	able     wire.Abilities // as of ableAt
	ableAt   time.Time

	asking  chan struct{}                // of capacity 1, full while somebody asks for the catalog
	catalog atomic.Pointer[wire.Catalog] // the last one
	fresh   HostCatalog                  // the last outcome, be it an error
	freshAt time.Time
}

// count books an outcome; empty for an answer.
func (s *state) count(class wire.Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if class == "" {
		s.answers++
		return
	}
	if s.failures == nil {
		s.failures = make(map[wire.Class]uint64)
	}
	s.failures[class]++
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
		s.mu.Lock()
		list[i] = HostState{Name: h.Name, Labels: h.Labels, Groups: h.Groups, Gateway: h.Gateway, Answers: s.answers, Failures: maps.Clone(s.failures)}
		s.mu.Unlock()
		list[i].Breaker = s.breaker.state(f.now(), f.cfg.BreakerFailures)
	}
	return list
}
