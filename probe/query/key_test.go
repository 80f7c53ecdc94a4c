package query

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

func TestKeyHasNoGaps(t *testing.T) {
	var k key
	fields := unsafe.Sizeof(k.source) + unsafe.Sizeof(k.destination) + unsafe.Sizeof(k.stamp) + unsafe.Sizeof(k.iface) +
		unsafe.Sizeof(k.port) + unsafe.Sizeof(k.verdict) + unsafe.Sizeof(k.protocol) + unsafe.Sizeof(k.family)
	if unsafe.Sizeof(k) != fields {
		t.Errorf("a key has %d bytes, its fields %d", unsafe.Sizeof(k), fields)
	}
}

func TestGroups(t *testing.T) {
	const n = 3*slab + 7
	g := newGroups(n)
	for round := range 2 {
		for i := range n {
			if err := g.add(key{stamp: int64(i), port: uint16(i)}, flow.Counters{BytesSent: uint64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if g.n != n {
			t.Fatalf("%d groups after round %d", g.n, round)
		}
	}
	next := int64(0)
	for group := range g.all() {
		if group.key.stamp != next || group.counters.BytesSent != 2*uint64(next) || g.get(group.key) != group {
			t.Fatalf("group %d is %+v", next, group)
		}
		next++
	}
	if g.get(key{stamp: n}) != nil || g.get(key{stamp: 1}) != nil {
		t.Error("groups that were never added are found")
	}
	var limit *wire.LimitError
	if err := g.add(key{}, flow.Counters{}); err != nil {
		t.Errorf("one that is there, at the limit: %v", err)
	}
	if err := g.add(key{stamp: n}, flow.Counters{}); !errors.As(err, &limit) || limit.Limit != n || limit.Remedy == "" {
		t.Errorf("one more than the limit: %v", err)
	}
}
