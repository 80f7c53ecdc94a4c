package table

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

func TestCounters(t *testing.T) {
	table := tableOf(t, nil)
	p := pkt(t, flow.UDP, "192.0.2.1:40000", "192.0.2.2:53", 0)
	table.Add(p, 100, true, 1)
	table.Add(p, 50, true, 2)
	table.Add(reverse(p, 0), 300, false, 3)
	want := []flow.Record{{Key: key4("192.0.2.1", "192.0.2.2", 53, flow.UDP),
		Counters: flow.Counters{BytesSent: 150, PacketsSent: 2, BytesReceived: 300, PacketsReceived: 1,
			Attempts: 1, Accepts: 1}}}
	if diff := cmp.Diff(want, table.Snapshot(nil)); diff != "" {
		t.Error("snapshot:", diff)
	}
	if diff := cmp.Diff(want, table.Rotate(nil)); diff != "" {
		t.Error("rotation:", diff)
	}
	if got := table.Rotate(nil); len(got) != 0 {
		t.Errorf("an interval without packets has rows: %v", got)
	}
}

func TestRowsAppend(t *testing.T) {
	table := tableOf(t, nil)
	table.Add(pkt(t, flow.UDP, "192.0.2.1:40000", "192.0.2.2:53", 0), 100, true, 1)
	before := []flow.Record{{Key: key4("203.0.113.1", "203.0.113.2", 1, flow.TCP)}}
	got := table.Rotate(before)
	if len(got) != 2 || got[0] != before[0] {
		t.Errorf("rows were not appended: %v", got)
	}
}

func TestSaturation(t *testing.T) {
	table := tableOf(t, nil)
	p := pkt(t, flow.UDP, "192.0.2.1:40000", "192.0.2.2:53", 0)
	table.Add(p, 1, true, 1)
	table.slab.at(0).bytes[sent] = math.MaxUint64 - 1
	table.Add(p, 100, true, 1)
	if got := table.Rotate(nil)[0].Counters.BytesSent; got != math.MaxUint64 {
		t.Errorf("sum wrapped to %d", got)
	}
}

// TestFolding: at the cap nothing is lost, what was known stays exact, and room comes back with the next interval.
func TestFolding(t *testing.T) {
	table := tableOf(t, func(c *Config) { c.Memory = 2 * conversationMemory })
	known := pkt(t, flow.UDP, "192.0.2.1:40000", "192.0.2.2:53", 0)
	table.Add(known, 100, true, 1)
	table.Add(pkt(t, flow.TCP, "192.0.2.1:40000", "192.0.2.2:80", packet.SYN), 60, true, 1)
	for range 3 {
		table.Add(pkt(t, flow.TCP, "192.0.2.9:40000", "192.0.2.2:80", packet.SYN), 60, false, 2)
		table.Add(pkt(t, flow.UDP, "[2001:db8::9]:40000", "[2001:db8::1]:80", 0), 90, true, 2)
		table.Add(known, 100, true, 2)
	}
	want := []flow.Record{
		{Key: flow.Key{Family: flow.IPv4, Protocol: flow.TCP}, Counters: flow.Counters{BytesReceived: 180, PacketsReceived: 3}},
		{Key: key4("192.0.2.1", "192.0.2.2", 53, flow.UDP), Counters: flow.Counters{BytesSent: 400, PacketsSent: 4}},
		{Key: key4("192.0.2.1", "192.0.2.2", 80, flow.TCP), Counters: flow.Counters{BytesSent: 60, PacketsSent: 1}},
		{Key: flow.Key{Family: flow.IPv6, Protocol: flow.UDP}, Counters: flow.Counters{BytesSent: 270, PacketsSent: 3}},
	}
	if diff := cmp.Diff(want, table.Snapshot(nil)); diff != "" {
		t.Error("snapshot:", diff)
	}
	if diff := cmp.Diff(want, table.Rotate(nil)); diff != "" {
		t.Error(diff)
	}
	if got := table.Folded(); got != 6 {
		t.Errorf("folded %d packets, want 6", got)
	}
	later := int64(2 * time.Minute)
	table.Expire(later, math.MaxInt) // open attempts are kept, too
	if rows := table.Rotate(nil); len(rows) != 2 || sum(rows) != (flow.Counters{Attempts: 2}) {
		t.Errorf("unanswered attempts: %v", rows)
	}
	table.Add(pkt(t, flow.UDP, "192.0.2.7:40000", "192.0.2.2:53", 0), 100, true, later)
	table.Add(pkt(t, flow.UDP, "192.0.2.8:40000", "192.0.2.2:53", 0), 100, true, later)
	rows := table.Rotate(nil)
	if len(rows) != 2 || rows[0].Key.Source == (flow.Address{}) || table.Flows() != 2 || table.Folded() != 6 {
		t.Errorf("conversations at rest kept new ones out: %v, %d flows, %d folded", rows, table.Flows(), table.Folded())
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Memory = -1 },
		func(c *Config) { c.Memory = maxFlows*conversationMemory + 1 },
		func(c *Config) { c.IdleLifetime = -1 },
		func(c *Config) { c.AttemptTimeout = 0 },
		func(c *Config) { c.AttemptTimeout = maxAttemptTimeout + 1 },
	} {
		c := DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%+v is taken for valid", c)
		}
	}
}

// TestAddDoesNotAllocate holds for packets of known conversations, with and without a pass under way.
func TestAddDoesNotAllocate(t *testing.T) {
	table, packets := benchTable(t, 5000)
	table.Begin(Copy)
	i := 0
	if n := testing.AllocsPerRun(20000, func() {
		table.Add(&packets[i%len(packets)], 100, true, 1)
		i++
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
