package reports

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// expectedPair is the truth about a pair of addresses: which places saw which of its directions.
type expectedPair struct {
	forth, back, both map[Point]bool
}

func (w *world) expectedPairs() map[pair]*expectedPair {
	type at struct {
		pair
		Point
	}
	seen := map[at]*[2]bool{}
	for i := range w.truths {
		t := &w.truths[i]
		key := pair{t.source, t.destination}
		if !t.first {
			key = pair{t.destination, t.source} // the first side has the lower addresses
		}
		for k := range w.places {
			p := &w.places[k]
			c := p.counters(t)
			forth, back := c.PacketsReceived > 0, c.PacketsSent > 0
			if !p.facing {
				forth, back = back, forth
			}
			if !forth && !back {
				continue
			}
			s := seen[at{key, p.Point}]
			if s == nil {
				s = &[2]bool{}
				seen[at{key, p.Point}] = s
			}
			s[0], s[1] = s[0] || forth, s[1] || back
		}
	}
	pairs := map[pair]*expectedPair{}
	for id, s := range seen {
		p := pairs[id.pair]
		if p == nil {
			p = &expectedPair{map[Point]bool{}, map[Point]bool{}, map[Point]bool{}}
			pairs[id.pair] = p
		}
		switch {
		case s[0] && s[1]:
			p.both[id.Point] = true
		case s[0]:
			p.forth[id.Point] = true
		default:
			p.back[id.Point] = true
		}
	}
	return pairs
}

// Halves that are claimed to be known are what the points of them saw, for conversations of one service between a pair.
func TestAsymmetryTellsTheTruth(t *testing.T) {
	r := testenv.Random(t)
	kinds := map[PairKind]int{}
	for range 400 {
		w := randomWorld(t, r)
		w.truths = slices.DeleteFunc(w.truths, func(f truth) bool { return f.protocol != flow.TCP || !f.first })
		answer, err := Asymmetry(t.Context(), w, AsymmetryQuestion{Scope: Scope{First: fmt.Sprint(noon - 40*300), Now: now()}})
		if err != nil {
			t.Fatal(err)
		}
		want := w.expectedPairs()
		for i := range answer.Pairs {
			p := &answer.Pairs[i]
			kinds[p.Kind]++
			e := want[pair{p.Source, p.Destination}]
			if e == nil || p.bytes() == 0 || len(p.Forward.Points)+len(p.Backward.Points) == 0 {
				t.Fatalf("%+v", p)
			}
			if !samePoints(p.Both, e.both) || p.HalvesKnown && (!samePoints(p.Forward.Points, e.forth) || !samePoints(p.Backward.Points, e.back)) {
				t.Fatalf("%+v, want %+v", p, e)
			}
			if split := len(e.forth) > 0 && len(e.back) > 0; p.HalvesKnown && split != (p.Kind == PairSplit) {
				t.Fatalf("%+v, want %+v", p, e)
			}
			delete(want, pair{p.Source, p.Destination})
		}
		for key, e := range want { // what is not in the answer is whole everywhere, or got no answer that anybody saw
			if len(e.forth)+len(e.back) > 0 && len(e.both) > 0 || len(e.forth) > 0 && len(e.back) > 0 {
				t.Fatalf("%v is missing: %+v", key, e)
			}
		}
	}
	if kinds[PairSplit] < 20 || kinds[PairPartial] < 20 || kinds[PairReverseUnseen] < 20 {
		t.Errorf("%v: the test shows little", kinds)
	}
}

func samePoints(list []Point, set map[Point]bool) bool {
	return len(list) == len(set) && !slices.ContainsFunc(list, func(p Point) bool { return !set[p] })
}

func TestAsymmetry(t *testing.T) {
	forth := place{Point: Point{"r1", "eth0"}, facing: true, forth: true}
	transit := place{Point: Point{"r1", "eth1"}, forth: true} // the same half, on its way out
	back := place{Point: Point{"r2", "eth0"}, back: true}
	end := place{Point: Point{"srv", "eth0"}, facing: true, forth: true, back: true}
	syslog := truth{source: address("10.1.0.9"), destination: address("10.2.0.9"), first: true, port: 514, protocol: flow.UDP, stamp: noon,
		asked: Amount{1 << 30, 1 << 20}, attempts: 1}
	going := accepted(443) // since before the span: nobody sees the attempt
	going.attempts = 0
	for _, test := range []struct {
		name   string
		places []place
		truth  truth
		kind   PairKind
		text   string
	}{
		{"split", []place{forth, transit, back}, accepted(443), PairSplit, "10.1.0.1 to 10.2.0.1 only at r1 eth0, r1 eth1; 10.2.0.1 to 10.1.0.1 only at r2 eth0"},
		{"partial", []place{forth, end}, accepted(443), PairPartial, "10.1.0.1 to 10.2.0.1 only at r1 eth0; 10.2.0.1 to 10.1.0.1 by itself nowhere; both at srv eth0"},
		{"unseen", []place{forth, transit}, accepted(443), PairReverseUnseen, "10.1.0.1 to 10.2.0.1 only at r1 eth0, r1 eth1; 10.2.0.1 to 10.1.0.1 by itself nowhere"},
		{"going on", []place{forth, transit, back}, going, PairSplit, "one half of 10.1.0.1 and 10.2.0.1 only at r1 eth0, r1 eth1; the other only at r2 eth0"},
		{"whole", []place{end}, accepted(443), "", ""},
		{"no answer", []place{forth, transit}, blocked(443), "", ""},
		{"needs no answer", []place{forth, transit}, syslog, "", ""},
	} {
		answer, err := Asymmetry(t.Context(), scene(t, test.places, test.truth), AsymmetryQuestion{Scope: Scope{Now: now()}})
		if err != nil {
			t.Fatal(err)
		}
		if test.kind == "" {
			if len(answer.Pairs) > 0 || !strings.HasPrefix(answer.Text, "no asymmetric route was seen") {
				t.Errorf("%s: %+v", test.name, answer)
			}
			if test.name != "whole" && answer.OneWay != 1 {
				t.Errorf("%s: %d one-way", test.name, answer.OneWay)
			}
			continue
		}
		if len(answer.Pairs) != 1 || answer.Pairs[0].Kind != test.kind || answer.Pairs[0].Text != test.text {
			t.Errorf("%s: %+v", test.name, answer.Pairs)
			continue
		}
		if p := answer.Pairs[0]; p.HalvesKnown && (p.Forward.Amount != (Amount{5000, 30}) || p.Source != address("10.1.0.1") || p.Kind == PairSplit && p.Backward.Amount != (Amount{90000, 60})) {
			t.Errorf("%s: %+v", test.name, p)
		}
	}
}

// The pairs with most bytes are shown, and how many there are is said.
func TestAsymmetryBounds(t *testing.T) {
	var truths []truth
	for i := range 300 {
		f := accepted(443)
		f.destination = netip.AddrFrom4([4]byte{10, 2, byte(i / 256), byte(i % 256)})
		f.asked.Bytes = uint64(100_000 + i)
		truths = append(truths, f)
	}
	w := scene(t, []place{{Point: Point{"r1", "eth0"}, facing: true, forth: true}}, truths...)
	answer, err := Asymmetry(t.Context(), w, AsymmetryQuestion{Pairs: 3, Scope: Scope{Now: now()}})
	if err != nil || len(answer.Pairs) != 3 || answer.Pairs[0].Forward.Bytes != 100_299 || answer.Truncated == nil || answer.Truncated.Total != 300 {
		t.Errorf("%v: %+v, %+v", err, answer.Pairs, answer.Truncated)
	}
	if _, err := Asymmetry(t.Context(), w, AsymmetryQuestion{Pairs: 5000}); err == nil {
		t.Error("any number of pairs can be asked for")
	}
}

// Where both ends come in by the same way, as at a port that mirrors others or in a trace, a conversation is no
// asymmetric one.
func TestMirroredTrafficIsNotAsymmetric(t *testing.T) {
	row := func(from, to string, protocol flow.Protocol, c wire.Counters) *wire.Row {
		return &wire.Row{
			Labels:     wire.Labels{Host: "mirror", Iface: "eth0"},
			Attributes: wire.Attributes{Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr(to), Protocol: protocol},
			Counters:   c,
		}
	}
	const a, b = "192.0.2.1", "198.51.100.1"
	for name, rows := range map[string][]*wire.Row{
		"accepted":        {row(a, b, flow.TCP, wire.Counters{BytesReceived: 90_000, PacketsReceived: 100, Attempts: 2, Accepts: 2})},
		"accepted before": {row(a, b, flow.TCP, wire.Counters{BytesReceived: 90_000, PacketsReceived: 100, RoundTrips: 1})},
		"each initiates":  {row(a, b, flow.UDP, wire.Counters{BytesReceived: 900, PacketsReceived: 9, Attempts: 1}), row(b, a, flow.UDP, wire.Counters{BytesReceived: 700, PacketsReceived: 7, Attempts: 1})},
	} {
		p := pairRows{pair: pairOf(rows[0]), rows: rows}
		if got, ok := p.judge(); ok {
			t.Errorf("%s: %s", name, got.Text)
		}
	}
	one := row(a, b, flow.TCP, wire.Counters{BytesReceived: 90_000, PacketsReceived: 100, Attempts: 1})
	p := pairRows{pair: pairOf(one), rows: []*wire.Row{one}}
	if got, ok := p.judge(); !ok || got.Kind != PairReverseUnseen {
		t.Errorf("%v, %+v", ok, got)
	}
}
