package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// StoreConfig bounds what a Store keeps.
type StoreConfig struct {
	Lists   int // at most
	Entries int // of all lists together
}

// DefaultStoreConfig is about 100 MB for the fullest store.
func DefaultStoreConfig() StoreConfig { return StoreConfig{Lists: 256, Entries: MaxEntries} }

// Store keeps lists in memory, by content hash and some by name, too. Lists without a name make room for others, the
// least recently used first; named ones stay. It is safe for concurrent use.
type Store struct {
	cfg StoreConfig
	now func() time.Time

	mu      sync.Mutex
	lists   map[string]*kept // by hash
	names   map[string]string
	entries int
}

type kept struct {
	list *List
	used time.Time
}

// NewStore returns an empty store; now may be nil.
func NewStore(cfg StoreConfig, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{cfg: cfg, now: now, lists: map[string]*kept{}, names: map[string]string{}}
}

// Put keeps a list, under a name if that is not empty: the name then means this list and no earlier one. fresh says
// that the list was not there. The error says which bound is reached.
func (s *Store) Put(l *List, name string) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.lists[l.hash]; k != nil {
		k.used = s.now()
	} else {
		if err := s.makeRoom(l.Len(), name); err != nil {
			return false, err
		}
		s.lists[l.hash] = &kept{l.Bare(), s.now()}
		s.entries += l.Len()
		fresh = true
	}
	if name != "" {
		s.names[name] = l.hash
	}
	return fresh, nil
}

// makeRoom drops lists without a name until one more fits; nothing where that would not be enough. The list that the
// name stands for so far is one of those that go.
func (s *Store) makeRoom(entries int, name string) error {
	free, freed := s.unnamed(name), 0
	lists, all := len(s.lists)+1, s.entries+entries
	for lists > s.cfg.Lists || all > s.cfg.Entries {
		if freed == len(free) {
			return fmt.Errorf("no room for %d entries: the limit of all lists together is %d lists and %d entries, and named lists stay", entries, s.cfg.Lists, s.cfg.Entries)
		}
		all -= s.lists[free[freed]].list.Len()
		lists--
		freed++
	}
	for _, hash := range free[:freed] {
		s.entries -= s.lists[hash].list.Len()
		delete(s.lists, hash)
	}
	return nil
}

// unnamed are the hashes of lists that no other name stands for, the least recently used first.
func (s *Store) unnamed(except string) []string {
	taken := map[string]bool{}
	for name, hash := range s.names {
		taken[hash] = taken[hash] || name != except
	}
	var free []string
	for hash := range s.lists {
		if !taken[hash] {
			free = append(free, hash)
		}
	}
	slices.SortFunc(free, func(a, b string) int {
		return cmp.Or(s.lists[a].used.Compare(s.lists[b].used), cmp.Compare(a, b))
	})
	return free
}

// Get finds a list by name or hash; nil: there is none.
func (s *Store) Get(name string) *List {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash, named := s.names[name]
	if !named {
		hash = name
	}
	k := s.lists[hash]
	if k == nil {
		return nil
	}
	k.used = s.now()
	return k.list
}

// Healths are those of all lists, named ones by name first, then the others by hash.
func (s *Store) Healths() []Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Health{}
	named := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		hash := s.names[name]
		named[hash] = true
		if k := s.lists[hash]; k != nil {
			h := k.list.health
			h.Name = name
			list = append(list, h)
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(s.lists)) {
		if !named[hash] {
			list = append(list, s.lists[hash].list.health)
		}
	}
	return list
}
