package table

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// written is the whole memory of a table.
func written(table *Table, now, wall time.Duration) []byte {
	m := table.Memory(int64(now), int64(wall))
	for !m.Step(1) {
	}
	return slices.Concat(m.Parts()...)
}

// TestRestart: directions that packets alone would not give survive a restart and 20 minutes of silence, as long as
// they would have without it; conversations that were known make no new attempt.
func TestRestart(t *testing.T) {
	const start = time.Hour
	for _, test := range []struct {
		silence time.Duration
		known   int
		want    []string
	}{
		{20 * time.Minute, 3, []string{"192.0.2.1 > 192.0.2.2 50000 x1", "192.0.2.2 > 192.0.2.1 500 x1", "2001:db8::9 > 2001:db8::1 4500 x1"}},
		{31 * time.Minute, 0, []string{"192.0.2.1 > 192.0.2.2 500 x1", "192.0.2.2 > 192.0.2.1 20 x1", "2001:db8::1 > 2001:db8::9 4500 x1"}},
	} {
		before := tableOf(t, nil)
		packets := []*packet.Packet{
			pkt(t, flow.TCP, "192.0.2.1:20", "192.0.2.2:50000", packet.SYN),
			pkt(t, flow.UDP, "192.0.2.2:500", "192.0.2.1:500", 0),
			pkt(t, flow.UDP, "[2001:db8::9]:4500", "[2001:db8::1]:4500", 0),
		}
		for _, p := range packets {
			before.Add(p, 60, true, int64(start))
		}
		before.Add(pkt(t, flow.UDP, "192.0.2.1:40000", "192.0.2.2:53", 0), 60, true, int64(start))
		before.Add(icmp(t, "192.0.2.1", "192.0.2.2", 8, 0), 60, true, int64(start))
		memory := written(before, start+time.Minute, 5*time.Hour)
		// The new table's clock has nothing to do with the old one's; the wall clock tells how much time has passed.
		after := tableOf(t, nil)
		n, err := after.Recall(memory, int64(9*time.Hour), int64(5*time.Hour+test.silence-time.Minute))
		if n != test.known || err != nil || after.Flows() != n {
			t.Fatalf("%v: recalled %d, %v", test.silence, n, err)
		}
		after.Expire(int64(9*time.Hour), math.MaxInt)
		for _, p := range packets {
			after.Add(reverse(p, p.TCPFlags&^packet.SYN|packet.ACK), 60, false, int64(9*time.Hour))
		}
		if test.known > 0 {
			if c := sum(after.Snapshot(nil)); c.Attempts != 0 || after.attempts.length != 0 {
				t.Errorf("%v: attempts %+v and %d open", test.silence, c, after.attempts.length)
			}
		}
		if got := flows(after); !slices.Equal(got, test.want) {
			t.Errorf("after %v: %v, want %v", test.silence, got, test.want)
		}
	}
}

// TestMemoryIsBounded: what finds no room is left out, what is known already stays as it is.
func TestMemoryIsBounded(t *testing.T) {
	before := tableOf(t, nil)
	for i := range 100 {
		p := pkt(t, flow.UDP, "192.0.2.2:500", "192.0.2.1:500", 0)
		p.Source[3] = byte(100 + i)
		before.Add(p, 60, true, 1)
	}
	memory := written(before, 1, 1)
	if want := memoryHead + 100*(3+8+8+4) + 4; len(memory) != want {
		t.Errorf("%d bytes, want %d", len(memory), want)
	}
	after := tableOf(t, func(c *Config) { c.Memory = 30 * conversationMemory })
	for _, want := range []int{30, 0} {
		if n, err := after.Recall(memory, 2, 2); n != want || err != nil || after.Flows() != 30 {
			t.Errorf("recalled %d, %v; %d flows", n, err, after.Flows())
		}
	}
}

// TestMemoryDamaged: a memory with any byte changed, or cut anywhere, is refused whole.
func TestMemoryDamaged(t *testing.T) {
	before := tableOf(t, nil)
	before.Add(pkt(t, flow.UDP, "192.0.2.2:500", "192.0.2.1:500", 0), 60, true, 1)
	before.Add(pkt(t, flow.UDP, "[2001:db8::9]:4500", "[2001:db8::1]:4500", 0), 60, true, 1)
	memory := written(before, 1, 1)
	after, random := tableOf(t, nil), testenv.Random(t)
	for i := range memory {
		changed := slices.Clone(memory)
		changed[i] ^= byte(1 + random.IntN(255))
		if n, err := after.Recall(changed, 1, 1); err == nil || n != 0 || after.Flows() != 0 {
			t.Fatalf("byte %d changed: %d, %v", i, n, err)
		}
		if _, err := after.Recall(memory[:i], 1, 1); err == nil {
			t.Fatalf("cut at %d: no error", i)
		}
	}
	if n, err := after.Recall(memory, 1, 1); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// openOf is what the pictures of a table say of its open attempts.
func openOf(table *Table) (open []byte) {
	pass := table.Begin(Copy)
	pass.Step(math.MaxInt)
	for c := range pass.Picture().All {
		open = append(open, c.Open...)
	}
	return open
}

// TestResume: an open attempt goes on in another table, once, with the time it had left, and in its order.
func TestResume(t *testing.T) {
	before := tableOf(t, nil)
	before.Add(pkt(t, flow.TCP, "192.0.2.1:40000", "192.0.2.2:80", packet.SYN), 60, true, int64(time.Hour))
	before.Add(pkt(t, flow.UDP, "[2001:db8::9]:40000", "[2001:db8::1]:53", 0), 60, true, int64(time.Hour+5*time.Second))
	before.Add(icmp(t, "192.0.2.1", "192.0.2.2", 8, 0), 60, true, int64(time.Hour+6*time.Second))
	open := openOf(before)
	after := tableOf(t, nil)
	all := func(*packet.Packet) bool { return true }
	for _, want := range []int{3, 0} { // the second time they are there already
		if n, err := after.Resume(open, int64(time.Hour+10*time.Second), int64(9*time.Hour), all); n != want || err != nil {
			t.Fatalf("resumed %d, %v; want %d", n, err, want)
		}
	}
	checkTable(t, after)
	after.Expire(int64(9*time.Hour+4*time.Second), math.MaxInt)
	if got := sum(after.Snapshot(nil)); got.Attempts != 0 {
		t.Errorf("before their time: %+v", got)
	}
	after.Add(pkt(t, flow.UDP, "[2001:db8::1]:53", "[2001:db8::9]:40000", 0), 60, false, int64(9*time.Hour+4*time.Second))
	after.Expire(int64(9*time.Hour+5*time.Second), math.MaxInt)
	if got := sum(after.Snapshot(nil)); got.Attempts != 2 || got.Accepts != 1 {
		t.Errorf("got %+v, want one accepted and one unanswered", got)
	}
	none := tableOf(t, nil)
	if n, err := none.Resume(open, 1, 1, func(*packet.Packet) bool { return false }); n != 0 || err != nil || none.Flows() != 0 {
		t.Errorf("attempts of others: %d, %v", n, err)
	}
}

// FuzzResume: whatever the bytes, a table takes them whole or not at all, and stays in order.
func FuzzResume(f *testing.F) {
	before := New(DefaultConfig())
	f.Cleanup(before.Close)
	before.Add(pkt(f, flow.TCP, "192.0.2.1:40000", "192.0.2.2:80", packet.SYN), 60, true, 1)
	before.Add(icmp(f, "2001:db8::1", "2001:db8::2", 128, 0), 60, true, 1)
	f.Add(openOf(before), int64(5), int64(7))
	f.Add([]byte{4, 6, 64}, int64(0), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, open []byte, saved, now int64) {
		table := tableOf(t, func(c *Config) { c.Memory = 16 * conversationMemory })
		n, err := table.Resume(open, saved, now, func(*packet.Packet) bool { return true })
		if err != nil && (n != 0 || table.Flows() != 0) || n > table.Flows() || table.Flows() > 16 {
			t.Fatalf("%d attempts, %d flows, %v", n, table.Flows(), err)
		}
		checkTable(t, table)
		table.Expire(now, math.MaxInt)
		checkRows(t, table.Rotate(nil))
	})
}
