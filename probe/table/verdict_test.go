package table

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// Sequence numbers of the scripts: the client's first and second attempt, and what an old connection used.
const (
	firstSequence  = 0xffffffff // so that arithmetic has to wrap
	secondSequence = 70000
	oldSequence    = 0x50000000
)

// segments are the TCP segments that a script may name.
var segments = map[string]packet.Packet{
	"SYN":        {TCPFlags: packet.SYN, Sequence: firstSequence},
	"SYN2":       {TCPFlags: packet.SYN, Sequence: secondSequence},
	"SYN+ACK":    {TCPFlags: packet.SYN | packet.ACK, Acknowledgement: firstSequence + 1 - 1<<32},
	"SYN+ACK2":   {TCPFlags: packet.SYN | packet.ACK, Acknowledgement: secondSequence + 1},
	"SYN+ACKTFO": {TCPFlags: packet.SYN | packet.ACK, Acknowledgement: firstSequence + 500 - 1<<32},
	"ACK":        {TCPFlags: packet.ACK, Sequence: firstSequence + 1 - 1<<32},
	"ACK2":       {TCPFlags: packet.ACK, Sequence: secondSequence + 1},
	"DATA":       {TCPFlags: packet.ACK | packet.PSH, Sequence: firstSequence + 1000 - 1<<32},
	"STRAY":      {TCPFlags: packet.ACK, Sequence: firstSequence - 1000},
	"RST+ACK":    {TCPFlags: packet.RST | packet.ACK, Acknowledgement: firstSequence + 1 - 1<<32},
	"RST":        {TCPFlags: packet.RST, Sequence: firstSequence + 1 - 1<<32},
	"OLDACK":     {TCPFlags: packet.ACK, Acknowledgement: oldSequence},
	"OLDRST":     {TCPFlags: packet.RST | packet.ACK, Acknowledgement: oldSequence},
	"OLDSYN+ACK": {TCPFlags: packet.SYN | packet.ACK, Acknowledgement: oldSequence},
}

// script plays a conversation and returns what every interval booked for it. A step is a time, then "|" for the end
// of an interval, else who sends (">" the client, "<" the server) and what: a segment, "data" for a datagram, or the
// name of an ICMP error that quotes a packet of the other side. Attempts expire at every step, and at last an hour later.
type script struct {
	t              *testing.T
	table          *Table
	client, server netip.AddrPort
	protocol       flow.Protocol
}

func newScript(t *testing.T, protocol flow.Protocol, v6 bool) *script {
	s := &script{t: t, table: tableOf(t, nil), protocol: protocol,
		client: netip.MustParseAddrPort("192.0.2.9:40000"), server: netip.MustParseAddrPort("192.0.2.2:443")}
	if v6 {
		s.client, s.server = netip.MustParseAddrPort("[2001:db8::9]:40000"), netip.MustParseAddrPort("[2001:db8::2]:443")
	}
	return s
}

func (s *script) play(steps string) []string {
	s.t.Helper()
	var intervals []string
	for _, step := range strings.Split(steps, ";") {
		words := strings.Fields(step)
		at, err := time.ParseDuration(words[0])
		if err != nil {
			s.t.Fatal(err)
		}
		now := int64(time.Hour + at)
		s.table.Expire(now, math.MaxInt)
		if words[1] == "|" {
			intervals = append(intervals, s.rotate())
			continue
		}
		s.table.Add(s.packet(words[1] == ">", words[2]), 60, false, now)
		checkTable(s.t, s.table)
	}
	s.table.Expire(int64(2*time.Hour), math.MaxInt)
	if n := s.table.attempts.length; n != 0 {
		s.t.Errorf("%d attempts are open at the end", n)
	}
	return append(intervals, s.rotate())
}

// rotate says what the interval booked: "attempts/accepts/rejects", and the round trip if there is one.
func (s *script) rotate() string {
	var lines []string
	for _, r := range s.table.Rotate(nil) {
		c := r.Counters
		if c.Attempts == 0 && c.RoundTrips == 0 {
			continue
		}
		line := fmt.Sprintf("%d/%d/%d", c.Attempts, c.Accepts, c.Rejects)
		if rtt, ok := c.RoundTrip(); ok {
			line += fmt.Sprintf(" %v", rtt)
		}
		if r.Key.SourceAddr() != s.client.Addr() {
			line += " from " + r.Key.SourceAddr().String()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

func (s *script) packet(fromClient bool, what string) *packet.Packet {
	from, to := s.client, s.server
	if !fromClient {
		from, to = to, from
	}
	p := packetOf(s.protocol, from, to, 0)
	if what == "data" {
		return p
	}
	if segment, ok := segments[what]; ok {
		p.TCPFlags, p.Sequence, p.Acknowledgement = segment.TCPFlags, segment.Sequence, segment.Acknowledgement
		return p
	}
	return s.quote(packetOf(s.protocol, to, from, 0), what)
}

// icmpErrors are ICMP and ICMPv6 errors by name.
var icmpErrors = map[string][2][2]uint8{
	"prohibited":  {{3, 13}, {1, 1}},
	"port":        {{3, 3}, {1, 4}},
	"expired":     {{11, 0}, {3, 0}},
	"problem":     {{12, 0}, {4, 0}},
	"too-big":     {{3, 4}, {2, 0}},
	"redirect":    {{5, 1}, {2, 0}},
	"source-slow": {{4, 0}, {2, 0}},
}

// quote makes a router's ICMP error about a packet.
func (s *script) quote(about *packet.Packet, what string) *packet.Packet {
	code, ok := icmpErrors[what]
	if !ok {
		s.t.Fatalf("no packet %q", what)
	}
	router, kind := "198.51.100.1", code[0]
	if about.Family == flow.IPv6 {
		router, kind = "2001:db8:ffff::1", code[1]
	}
	p := icmp(s.t, router, router, kind[0], kind[1])
	p.Destination = about.Source
	p.Quoted = true
	p.Quote = packet.Quote{Source: about.Source, Destination: about.Destination, SourcePort: about.SourcePort,
		DestinationPort: about.DestinationPort, Protocol: about.Protocol, Family: about.Family, HasPorts: about.HasPorts,
		HasICMP: about.HasICMP, ICMPType: about.ICMPType, ICMPCode: about.ICMPCode}
	return p
}

// TestVerdictTCP holds what docs/METERING.md says of TCP.
func TestVerdictTCP(t *testing.T) {
	for name, test := range map[string]struct {
		steps string
		want  []string
	}{
		"accepted":                  {"0s > SYN; 30ms < SYN+ACK; 50ms > ACK; 60ms > DATA", []string{"1/1/0 50ms"}},
		"accepted with early data":  {"0s > SYN; 30ms < SYN+ACKTFO; 50ms > ACK", []string{"1/1/0 50ms"}},
		"refused":                   {"0s > SYN; 30ms < RST+ACK", []string{"1/0/1"}},
		"unanswered":                {"0s > SYN", []string{"1/0/0"}},
		"nothing before its time":   {"0s > SYN; 14.999s |", []string{"", "1/0/0"}},
		"its time has come":         {"0s > SYN; 15s |", []string{"1/0/0", ""}},
		"answered over the border":  {"0s > SYN; 10ms |; 20ms < SYN+ACK; 30ms |; 40ms > ACK", []string{"", "1/1/0", "0/0/0 40ms"}},
		"refused over the border":   {"0s > SYN; 10ms |; 20ms < RST+ACK", []string{"", "1/0/1"}},
		"outcome without packets":   {"0s > SYN; 1s |; 16s |", []string{"", "1/0/0", ""}},
		"retransmitted: no time":    {"0s > SYN; 1s > SYN; 1.03s < SYN+ACK; 1.05s > ACK", []string{"1/1/0"}},
		"retransmitted, unanswered": {"0s > SYN; 1s > SYN; 3s > SYN; 7s > SYN; 15s > SYN; 31s > SYN; 63s > SYN", []string{"1/0/0"}},
		"retransmitted, refused":    {"0s > SYN; 1s < RST+ACK; 1.5s > SYN; 1.6s < RST+ACK", []string{"1/0/1"}},
		"answer retransmitted":      {"0s > SYN; 30ms < SYN+ACK; 1.03s < SYN+ACK; 1.05s > ACK", []string{"1/1/0"}},
		"seen twice, as on lo": {"0s > SYN; 1ms > SYN; 30ms < SYN+ACK; 31ms < SYN+ACK; 50ms > ACK; 51ms > ACK",
			[]string{"1/1/0 50ms"}},
		"answer too late":             {"0s > SYN; 15s > SYN; 16s < SYN+ACK; 17s > ACK", []string{"1/0/0"}},
		"new attempt, same ports":     {"0s > SYN; 30ms < RST+ACK; 1s > SYN2; 1.01s < SYN+ACK2; 1.02s > ACK2", []string{"2/1/1 20ms"}},
		"given up, then anew":         {"0s > SYN; 1s > SYN2; 1.01s < SYN+ACK2; 1.02s > ACK2", []string{"2/1/0 20ms"}},
		"anew before the ACK":         {"0s > SYN; 10ms < SYN+ACK; 1s > SYN2; 1.01s < SYN+ACK2; 1.02s > ACK2", []string{"2/2/0 20ms"}},
		"same number much later":      {"0s > SYN; 1s < RST+ACK; 5m > SYN; 5m1s < RST+ACK", []string{"2/0/2"}},
		"SYN cookie, flood":           {"0s > SYN; 30ms < SYN+ACK", []string{"1/1/0"}},
		"SYN scan":                    {"0s > SYN; 30ms < SYN+ACK; 50ms > RST", []string{"1/1/0"}},
		"refused after accepted":      {"0s > SYN; 30ms < SYN+ACK; 50ms > ACK; 60ms < RST+ACK", []string{"1/1/0 50ms"}},
		"error after accepted":        {"0s > SYN; 30ms < SYN+ACK; 50ms > ACK; 60ms < prohibited", []string{"1/1/0 50ms"}},
		"half-open":                   {"0s > SYN; 10ms < OLDACK; 20ms > RST; 1s > SYN; 1.01s < SYN+ACK; 1.02s > ACK", []string{"1/1/0"}},
		"old answers are none":        {"0s > SYN; 10ms < OLDRST; 20ms < OLDSYN+ACK", []string{"1/0/0"}},
		"RST without ACK is none":     {"0s > SYN; 10ms < RST", []string{"1/0/0"}},
		"simultaneous open":           {"0s > SYN; 1ms < SYN2; 10ms > SYN+ACK2; 11ms < SYN+ACK; 12ms > ACK", []string{"1/1/0 12ms"}},
		"crossing SYN is no answer":   {"0s > SYN; 1ms < SYN2", []string{"1/0/0"}},
		"mid-stream":                  {"0s > DATA; 1ms < OLDACK; 2ms > DATA", []string{""}},
		"mid-stream reset":            {"0s > DATA; 1ms < RST+ACK", []string{""}},
		"new attempt after mid-strea": {"0s > DATA; 1s > SYN2; 1.01s < SYN+ACK2; 1.02s > ACK2", []string{"1/1/0 20ms"}},
		"only the client, accepted":   {"0s > SYN; 50ms > ACK; 60ms > DATA", []string{"1/1/0"}},
		"only the client, data first": {"0s > SYN; 60ms > DATA", []string{"1/1/0"}},
		"ACK of an old connection":    {"0s > SYN; 1ms > STRAY", []string{"1/0/0"}},
		"error before the ACK":        {"0s > SYN; 30ms < SYN+ACK; 40ms < prohibited; 50ms > ACK", []string{"1/1/0 50ms"}},
		"only the client, refused":    {"0s > SYN; 1s > SYN; 3s > SYN", []string{"1/0/0"}},
		"only the server, accepted":   {"0s < SYN+ACK; 60ms < OLDACK", []string{""}},
		"only the server, refused":    {"0s < RST+ACK", []string{""}},
		"prohibited":                  {"0s > SYN; 30ms < prohibited", []string{"1/0/1"}},
		"expired on the way":          {"0s > SYN; 30ms < expired", []string{"1/0/1"}},
		"parameter problem":           {"0s > SYN; 30ms < problem", []string{"1/0/1"}},
		"too big is no refusal":       {"0s > SYN; 30ms < too-big; 50ms < SYN+ACK; 60ms > ACK", []string{"1/1/0 60ms"}},
		"redirect is no refusal":      {"0s > SYN; 30ms < redirect; 50ms < SYN+ACK; 60ms > ACK", []string{"1/1/0 60ms"}},
		"source quench is none":       {"0s > SYN; 30ms < source-slow; 50ms < SYN+ACK; 60ms > ACK", []string{"1/1/0 60ms"}},
		"error about the answer":      {"0s > SYN; 30ms > prohibited; 50ms < SYN+ACK; 60ms > ACK", []string{"1/1/0 60ms"}},
	} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/v6=%v", name, v6), func(t *testing.T) {
				if diff := cmp.Diff(test.want, newScript(t, flow.TCP, v6).play(test.steps)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestVerdictWithoutHandshake holds what docs/METERING.md says of UDP and the other protocols.
func TestVerdictWithoutHandshake(t *testing.T) {
	for name, test := range map[string]struct {
		steps string
		want  []string
	}{
		"answered":                 {"0s > data; 30ms < data", []string{"1/1/0"}},
		"one attempt for all":      {"0s > data; 30ms < data; 1s > data; 1m > data; 2m < data", []string{"1/1/0"}},
		"unanswered":               {"0s > data; 1s > data; 20s > data; 40s > data", []string{"1/0/0"}},
		"too late":                 {"0s > data; 16s < data", []string{"1/0/0"}},
		"answered over the border": {"0s > data; 1s |; 2s < data", []string{"", "1/1/0"}},
		"outcome without packets":  {"0s > data; 1s |; 16s |", []string{"", "1/0/0", ""}},
		"port unreachable":         {"0s > data; 1ms < port", []string{"1/0/1"}},
		"prohibited":               {"0s > data; 1ms < prohibited; 2ms > data; 3ms < prohibited", []string{"1/0/1"}},
		"too big":                  {"0s > data; 1ms < too-big; 2ms < data", []string{"1/1/0"}},
		"the answer was refused":   {"0s > data; 1ms < data; 2ms > port", []string{"1/1/0"}},
		"another's answer refused": {"0s > data; 2ms > port; 3ms < data", []string{"1/1/0"}},
		"mid-conversation":         {"0s < data; 1ms > data", []string{""}},
	} {
		for _, protocol := range []flow.Protocol{flow.UDP, flow.SCTP} {
			for _, v6 := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/v6=%v", name, protocol, v6), func(t *testing.T) {
					if diff := cmp.Diff(test.want, newScript(t, protocol, v6).play(test.steps)); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

// TestVerdictOthers plays packets at one second each and says what was booked, per flow that booked something.
func TestVerdictOthers(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	const x, y = "2001:db8::1", "2001:db8::2"
	s := newScript(t, flow.UDP, false)
	datagram := func(source, destination string) *packet.Packet { return pkt(t, flow.UDP, source, destination, 0) }
	fragment := func(source, destination string) *packet.Packet {
		p := datagram(source, destination)
		p.SourcePort, p.DestinationPort, p.HasPorts, p.Fragment = 0, 0, false, true
		return p
	}
	cutOff := fragment(a+":1", b+":2")
	cutOff.Fragment = false
	quotedFragment := s.quote(fragment(a+":1", b+":2"), "port")
	for name, test := range map[string]struct {
		packets []*packet.Packet
		want    string
	}{
		"echo answered":         {[]*packet.Packet{icmp(t, a, b, 8, 0), icmp(t, b, a, 0, 0)}, "2048 1/1/0"},
		"echoes, one attempt":   {[]*packet.Packet{icmp(t, a, b, 8, 0), icmp(t, a, b, 8, 0)}, "2048 1/0/0"},
		"echo refused":          {[]*packet.Packet{icmp(t, a, b, 8, 0), s.quote(icmp(t, a, b, 8, 0), "prohibited")}, "2048 1/0/1"},
		"both ask, one answers": {[]*packet.Packet{icmp(t, a, b, 8, 0), icmp(t, b, a, 8, 0), icmp(t, b, a, 0, 0)}, "2048 1/1/0, 2048 1/0/0"},
		"echo to oneself":       {[]*packet.Packet{icmp(t, a, a, 8, 0), icmp(t, a, a, 0, 0)}, "2048 1/1/0"},
		"echo reply alone":      {[]*packet.Packet{icmp(t, b, a, 0, 0)}, ""},
		"error is no attempt":   {[]*packet.Packet{icmp(t, b, a, 3, 1)}, ""},
		"no reply exists":       {[]*packet.Packet{icmp(t, a, b, 200, 1)}, ""},
		"echo, v6":              {[]*packet.Packet{icmp(t, x, y, 128, 0), icmp(t, y, x, 129, 0)}, "32768 1/1/0"},
		"echo refused, v6":      {[]*packet.Packet{icmp(t, x, y, 128, 0), s.quote(icmp(t, x, y, 128, 0), "prohibited")}, "32768 1/0/1"},
		"neighbour gone":        {[]*packet.Packet{icmp(t, x, y, 135, 0)}, "34560 1/0/0"},
		"neighbour, group":      {[]*packet.Packet{icmp(t, x, "ff02::1:ff00:2", 135, 0)}, ""},
		"multicast":             {[]*packet.Packet{datagram(a+":5353", "224.0.0.251:5353"), datagram("[fe80::1]:5353", "[ff02::fb]:5353")}, ""},
		"broadcast":             {[]*packet.Packet{datagram("0.0.0.0:68", "255.255.255.255:67")}, ""},
		"GRE answered":          {[]*packet.Packet{pkt(t, 47, b+":0", a+":0", 0), pkt(t, 47, a+":0", b+":0", 0)}, "0 1/1/0"},
		"ESP unanswered":        {[]*packet.Packet{pkt(t, 50, a+":0", b+":0", 0)}, "0 1/0/0"},
		"later fragment":        {[]*packet.Packet{fragment(a+":1", b+":2")}, ""},
		"ports cut off":         {[]*packet.Packet{cutOff}, ""},
		"to the very same port": {[]*packet.Packet{datagram(a+":500", a+":500"), datagram(a+":500", a+":500")}, ""},
		"quoted fragment":       {[]*packet.Packet{datagram(a+":40000", b+":53"), quotedFragment}, "53 1/0/0"},
		"quotes an unknown":     {[]*packet.Packet{s.quote(datagram(a+":40000", b+":53"), "port")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			table := tableOf(t, nil)
			for i, p := range test.packets {
				table.Add(p, 60, true, int64(i+1)*int64(time.Second))
				checkTable(t, table)
			}
			table.Expire(int64(time.Hour), math.MaxInt)
			var got []string
			for _, r := range table.Rotate(nil) {
				if c := r.Counters; c.Attempts > 0 {
					got = append(got, fmt.Sprintf("%d %d/%d/%d", r.Key.DestinationPort, c.Attempts, c.Accepts, c.Rejects))
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestErrorIsMetered: an ICMP error is a flow of its own beside what it says about another.
func TestErrorIsMetered(t *testing.T) {
	s := newScript(t, flow.UDP, false)
	s.table.Add(s.packet(true, "data"), 60, true, 1)
	s.table.Add(s.packet(false, "port"), 88, false, 2)
	var got []string
	for _, r := range s.table.Rotate(nil) {
		got = append(got, fmt.Sprint(r.Key.Protocol, r.Key.DestinationPort, r.Counters.BytesReceived, r.Counters.Rejects))
	}
	if diff := cmp.Diff([]string{"udp 443 0 1", "icmp 771 88 0"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestMemoryKeepsAttempts: after a rest in which the conversation is remembered, the next packet is no attempt; after
// it was forgotten, it is.
func TestMemoryKeepsAttempts(t *testing.T) {
	table := tableOf(t, func(c *Config) { c.IdleLifetime = 30 * time.Minute })
	p := pkt(t, flow.UDP, "192.0.2.2:500", "192.0.2.1:500", 0)
	rotate := func(at time.Duration) (attempts uint64) {
		table.Add(pkt(t, 47, "192.0.2.5:0", "192.0.2.6:0", 0), 60, true, int64(at)) // time goes on
		table.Expire(int64(at), math.MaxInt)
		for _, r := range table.Rotate(nil) {
			if r.Key.Protocol == flow.UDP {
				attempts += r.Counters.Attempts
			}
		}
		return attempts
	}
	table.Add(p, 60, true, 0)
	table.Add(reverse(p, 0), 60, false, 1)
	if got := rotate(time.Second); got != 1 {
		t.Errorf("first packet: %d attempts", got)
	}
	for _, step := range []struct {
		after time.Duration
		want  uint64
	}{{20 * time.Minute, 0}, {31 * time.Minute, 0}, {90 * time.Minute, 1}} {
		rotate(step.after - time.Minute)
		table.Add(p, 60, true, int64(step.after))
		table.Add(reverse(p, 0), 60, false, int64(step.after)+1)
		if got := rotate(step.after + time.Second); got != step.want {
			t.Errorf("after %v: %d attempts, want %d", step.after, got, step.want)
		}
	}
}

// TestExpireInSteps: the work of a call is bounded, and times on a clock that was set back hold up nothing.
func TestExpireInSteps(t *testing.T) {
	table := tableOf(t, nil)
	for i := range 1500 { // more than one chunk of attempts
		p := pkt(t, flow.UDP, "192.0.2.1:1", "192.0.2.2:53", 0)
		p.SourcePort = uint16(30000 + i)
		table.Add(p, 60, true, int64(i))
	}
	if at, ok := table.NextExpiry(); !ok || at != int64(15*time.Second) {
		t.Errorf("next expiry is %d, %v", at, ok)
	}
	if table.Expire(int64(15*time.Second)-1, 10) || table.Booked() != 0 {
		t.Error("expired too soon")
	}
	if !table.Expire(int64(15*time.Second)+999, 600) || table.Booked() != 600 {
		t.Errorf("%d expired, want 600 of 1000", table.Booked())
	}
	if table.Expire(int64(15*time.Second)+999, 600) || table.Booked() != 1000 {
		t.Errorf("%d expired, want 1000", table.Booked())
	}
	checkTable(t, table)
	if table.Expire(-int64(time.Hour), math.MaxInt) || table.Booked() != 1500 {
		t.Error("attempts of a clock that was set back stay open")
	}
	if _, ok := table.NextExpiry(); ok {
		t.Error("nothing is open and something expires")
	}
	if used := table.attempts.used; used != 1500 {
		t.Errorf("%d attempts were made for 1500", used)
	}
	p := pkt(t, flow.UDP, "192.0.2.1:1", "192.0.2.2:53", 0)
	table.Add(p, 60, true, 1)
	if table.attempts.used != 1500 {
		t.Error("the room of closed attempts is not used again")
	}
}

// TestUntimed: times that are not the packets' own measure nothing, not even half.
func TestUntimed(t *testing.T) {
	for _, steps := range [][]string{{"no", "SYN", "SYN+ACK", "ACK"}, {"no", "SYN", "yes", "SYN+ACK", "ACK"}, {"SYN", "SYN+ACK", "no", "ACK"}} {
		s := newScript(t, flow.TCP, false)
		for i, step := range steps {
			switch step {
			case "yes", "no":
				s.table.MeasureRoundTrips(step == "yes")
			default:
				s.table.Add(s.packet(step != "SYN+ACK", step), 60, true, int64(i)*1e6)
			}
		}
		if got := s.rotate(); got != "1/1/0" {
			t.Errorf("%v: %s", steps, got)
		}
	}
}

// TestOutcomesSaturate: a conversation holds so many outcomes of an interval, and sums stay consistent.
func TestOutcomesSaturate(t *testing.T) {
	s := newScript(t, flow.TCP, false)
	syn := s.packet(true, "SYN")
	for range math.MaxUint16 + 10 {
		syn.Sequence += 1 << 20
		s.table.Add(syn, 60, true, 1)
		s.table.Add(s.packet(false, "OLDACK"), 60, true, 1)
	}
	if got := s.rotate(); got != "65535/0/0" {
		t.Errorf("got %s", got)
	}
}

func TestEntrySize(t *testing.T) {
	if got := unsafe.Sizeof(entry{}); got > 112 {
		t.Errorf("an entry has %d bytes", got)
	}
}
