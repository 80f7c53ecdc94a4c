package table

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// model is the naive table: a map of conversations, with packets of UDP and TCP only.
type model map[modelKey]*modelFlow

type modelKey struct {
	a, b     netip.AddrPort // a < b
	protocol flow.Protocol
}

type modelFlow struct {
	initiator netip.AddrPort
	strength  int // 0 first, 1 ports, 2 SYN+ACK, 3 SYN
	counters  flow.Counters
}

// responder is the end whose port is more of a service's, the smaller of equals; false if there is none.
func responder(a, b netip.AddrPort) (netip.AddrPort, bool) {
	class := func(p uint16) int {
		switch {
		case p < 1024, slices.Contains(services[:], p):
			return 0
		case p < 32768:
			return 1
		}
		return 2
	}
	ca, cb := class(a.Port()), class(b.Port())
	switch {
	case ca < cb, ca == cb && a.Port() < b.Port():
		return a, true
	case cb < ca, ca == cb && b.Port() < a.Port():
		return b, true
	}
	return netip.AddrPort{}, false
}

func (m model) add(protocol flow.Protocol, source, destination netip.AddrPort, flags uint8, length uint32, sent bool) {
	key := modelKey{source, destination, protocol}
	if source.Compare(destination) > 0 {
		key.a, key.b = destination, source
	}
	f := m[key]
	if f == nil {
		f = &modelFlow{initiator: source}
		if r, ok := responder(source, destination); ok {
			f.strength = 1
			if r == source {
				f.initiator = destination
			}
		}
		m[key] = f
	}
	if protocol == flow.TCP && flags&packet.SYN != 0 {
		if flags&packet.ACK != 0 && f.strength < 2 {
			f.initiator, f.strength = destination, 2
		}
		if flags&packet.ACK == 0 && f.strength < 3 {
			f.initiator, f.strength = source, 3
		}
	}
	if sent {
		f.counters.Add(flow.Counters{BytesSent: uint64(length), PacketsSent: 1})
	} else {
		f.counters.Add(flow.Counters{BytesReceived: uint64(length), PacketsReceived: 1})
	}
}

func (m model) rows(drain bool) []flow.Record {
	byKey := map[flow.Key]flow.Counters{}
	for k, f := range m {
		if f.counters.IsZero() {
			continue
		}
		to := k.a
		if f.initiator == k.a {
			to = k.b
		}
		key := flow.Key{DestinationPort: to.Port(), Protocol: k.protocol}
		key.Source, key.Family = flow.AddressFrom(f.initiator.Addr())
		key.Destination, _ = flow.AddressFrom(to.Addr())
		c := byKey[key]
		c.Add(f.counters)
		byKey[key] = c
		if drain {
			f.counters = flow.Counters{}
		}
	}
	var rows []flow.Record
	for k, c := range byKey {
		rows = append(rows, flow.Record{Key: k, Counters: c})
	}
	slices.SortFunc(rows, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return rows
}

// TestModel adds random packets and takes passes in random steps between them; every picture must be that of the
// naive table at the moment the pass began. The sums of Changes pictures, the last of each conversation, must be
// the interval so far.
func TestModel(t *testing.T) {
	random := testenv.Random(t)
	ports := []uint16{53, 80, 443, 1023, 5000, 8080, 40000, 40001, 50000, 51820}
	end := func(v6 bool) netip.AddrPort {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(8))})
		if v6 {
			a = netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 15: byte(random.IntN(8))})
		}
		return netip.AddrPortFrom(a, ports[random.IntN(len(ports))])
	}
	table, naive := tableOf(t, nil), model{}
	var pass *Pass
	var want []flow.Record
	changed := map[uint32]flow.Record{}
	finish := func() {
		var got []flow.Record
		if pass.kind == Changes {
			for c := range pass.Picture().All {
				changed[c.ID] = flow.Record{Key: c.Key, Counters: c.Counters}
			}
			for _, r := range changed {
				if !r.Counters.IsZero() { // not only to say that its attempt is closed
					got = append(got, r)
				}
			}
			got = Merge(got)
		} else {
			got = pass.Picture().Rows(nil)
		}
		checkRows(t, got)
		if got = traffic(got); !slices.Equal(want, got) {
			t.Fatalf("pass of kind %d: %s", pass.kind, cmp.Diff(want, got))
		}
		if pass.kind == Drain {
			clear(changed)
		}
		pass = nil
	}
	for step := range 60000 {
		v6 := random.IntN(4) == 0
		source, destination := end(v6), end(v6)
		protocol, flags := flow.UDP, uint8(0)
		if random.IntN(2) == 0 {
			protocol, flags = flow.TCP, uint8(random.IntN(64))
		}
		length, sent := uint32(random.IntN(2000)), random.IntN(2) == 0
		table.Add(packetOf(protocol, source, destination, flags), length, sent, int64(step))
		naive.add(protocol, source, destination, flags, length, sent)
		if pass == nil && random.IntN(300) == 0 {
			kind := PassKind(1 + random.IntN(3))
			want, pass = naive.rows(kind == Drain), table.Begin(kind)
		}
		if pass != nil && random.IntN(4) == 0 && pass.Step(random.IntN(200)) {
			finish()
		}
	}
}

// FuzzTable: whatever is added in whatever order, at whatever cap, the rows add up to what was added.
func FuzzTable(f *testing.F) {
	f.Add([]byte{1, 0x12, 0x34, 0, 0x21, 0x43, 2, 0xff, 0xfe, 3}, uint8(3))
	f.Add([]byte("the quick brown fox jumps over the lazy dog"), uint8(0))
	f.Fuzz(operate)
}

// TestOperations is FuzzTable with random input of some length.
func TestOperations(t *testing.T) {
	random := testenv.Random(t)
	for range 200 {
		input := make([]byte, random.IntN(3000))
		for i := range input {
			input[i] = byte(random.Uint32())
		}
		operate(t, input, uint8(random.IntN(256)))
	}
}

// operate takes three bytes of input for an operation: the end of an interval, a look, or a packet.
func operate(t *testing.T, input []byte, room uint8) {
	table := tableOf(t, func(c *Config) { c.Memory = (int64(room) + 1) * conversationMemory; c.IdleLifetime = 100 * time.Second })
	var added, drained flow.Counters
	var pass *Pass
	for i := 0; i+2 < len(input); i += 3 {
		a, b, c := input[i], input[i+1], input[i+2]
		if a >= 0xf0 {
			if pass != nil {
				pass.Step(math.MaxInt)
				drained.Add(sum(pass.Picture().Rows(nil)))
			}
			pass = table.Begin(Drain)
			continue
		}
		if a >= 0xe8 {
			table.Expire(int64(i)*int64(time.Second), int(b))
			continue
		}
		if a >= 0xe0 && pass == nil {
			rows := table.Snapshot(nil)
			checkRows(t, rows)
			continue
		}
		p := &packet.Packet{Family: flow.IPv4, Protocol: flow.Protocol(c & 0x1f), SourcePort: uint16(b >> 4), DestinationPort: uint16(b & 0xf),
			HasPorts: true, TCPFlags: c >> 4, HasICMP: c&0x1f == 1, ICMPType: b, ICMPCode: c}
		p.Source[0], p.Destination[0] = a>>4, a&0xf
		p.Sequence, p.Acknowledgement, p.HasTCP = uint32(b), uint32(a), c&0x1f == 6
		p.Quoted, p.Quote = p.HasICMP && b&1 == 0, packet.Quote{Source: p.Destination, Destination: p.Source, Protocol: flow.Protocol(b), Family: flow.IPv4}
		if c&1 == 0 {
			p.Family = flow.IPv6
		}
		length, sent := uint32(c), c&2 == 0
		table.Add(p, length, sent, int64(i)*int64(time.Second))
		if i%24 == 0 {
			checkTable(t, table)
		}
		counters := flow.Counters{BytesReceived: uint64(length), PacketsReceived: 1}
		if sent {
			counters = flow.Counters{BytesSent: uint64(length), PacketsSent: 1}
		}
		added.Add(counters)
		if table.Flows() > int(room)+1 {
			t.Fatalf("%d conversations where %d are allowed", table.Flows(), int(room)+1)
		}
		if pass != nil {
			pass.Step(1)
		}
	}
	if pass != nil {
		pass.Step(math.MaxInt)
		drained.Add(sum(pass.Picture().Rows(nil)))
	}
	rows := table.Rotate(nil)
	checkRows(t, rows)
	drained.Add(sum(rows))
	if got := sum(traffic([]flow.Record{{Counters: drained}})); got != added {
		t.Fatalf("rows add up to %+v, added were %+v", drained, added)
	}
	if drained.Attempts > added.Packets() || drained.Accepts+drained.Rejects > drained.Attempts || table.Booked() != drained.Attempts {
		t.Fatalf("outcomes %+v of %d packets, %d were booked", drained, added.Packets(), table.Booked())
	}
}
