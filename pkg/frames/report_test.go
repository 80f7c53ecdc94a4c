package frames

import (
	"net/netip"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/reports"
)

var rests = reports.Coverage{
	Hosts: 3, Answered: 2, WithData: 2, First: noon, Last: after(60),
	Text: "2 of 3 hosts answered, data within 21 Nov 12:00 .. 21 Nov 13:00 on 2",
}

func TestPathGolden(t *testing.T) {
	https := reports.Service{Port: 443, Protocol: flow.TCP, Initiator: "a", Text: "tcp/443"}
	accepted := reports.Outcome{Attempts: 10, Accepted: 9, Unanswered: 1, Verdict: "accepted"}
	answer := &reports.PathAnswer{
		A: "10.0.0.1", B: "192.0.2.10", Verdict: "accepted", Text: "10.0.0.1 accessed 192.0.2.10: tcp/443 was accepted", Coverage: rests,
		Services: []reports.PathService{{
			Service: https, Outcome: accepted, AToB: reports.Amount{Bytes: 1000, Packets: 10}, BToA: reports.Amount{Bytes: 50_000, Packets: 40},
			Total: reports.Amount{Bytes: 51_000, Packets: 50}, Split: true, FirstSeen: after(5), LastSeen: after(55),
			Points: []reports.Point{{Host: "amsterdam", Iface: "eth0"}, {Host: "berlin", Iface: "wan"}},
		}},
		Views: []reports.PathView{
			{
				Point: reports.Point{Host: "amsterdam", Iface: "eth0"}, Labels: map[string]string{"company": "acme"}, Service: https, Outcome: accepted,
				Received: reports.Amount{Bytes: 1000, Packets: 10}, Sent: reports.Amount{Bytes: 50_000, Packets: 40}, Sides: reports.SidesBoth, Split: true,
				AToB: reports.Amount{Bytes: 1000, Packets: 10}, BToA: reports.Amount{Bytes: 50_000, Packets: 40}, FirstSeen: after(5), LastSeen: after(55), Flows: 1,
				Sources: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Destinations: []netip.Addr{netip.MustParseAddr("192.0.2.10")},
			},
			{
				Point: reports.Point{Host: "berlin", Iface: "wan"}, Service: https, Outcome: reports.Outcome{Attempts: 1, Unanswered: 1, Verdict: "unanswered"},
				Received: reports.Amount{Bytes: 60, Packets: 1}, Sides: reports.SidesUnknown,
			},
		},
	}
	golden(t, "path", Path{Links: everywhere}.Frames(answer))
	golden(t, "path_nothing", Path{}.Frames(&reports.PathAnswer{Verdict: reports.NotSeen, Text: "nothing was seen", Coverage: rests}))
	if n := (Path{Limit: 1}).Frames(answer)[0].Rows(); n != 1 {
		t.Errorf("%d views, the limit is 1", n)
	}
}

func TestAsymmetryGolden(t *testing.T) {
	answer := &reports.AsymmetryAnswer{
		Text: "1 pair is asymmetric", Coverage: rests,
		Pairs: []reports.AsymmetryPair{{
			Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("2001:db8::1"), Kind: reports.PairSplit, HalvesKnown: true,
			Forward:   reports.Half{Amount: reports.Amount{Bytes: 1_000_000, Packets: 900}, Points: []reports.Point{{Host: "amsterdam", Iface: "eth0"}}},
			Backward:  reports.Half{Amount: reports.Amount{Bytes: 50_000, Packets: 800}, Points: []reports.Point{{Host: "berlin", Iface: "wan"}}},
			FirstSeen: after(5), LastSeen: after(55), Text: "there over amsterdam eth0, back over berlin wan",
		}},
	}
	golden(t, "asymmetry", Asymmetry{Links: everywhere}.Frames(answer))
}

func TestActorsGolden(t *testing.T) {
	answer := &reports.ActorsAnswer{
		Text: "1 of 2 actors was seen", List: "bad", Entries: 2, Hits: 1, Coverage: rests,
		Actors: []reports.Hit{{
			Prefix: netip.MustParsePrefix("198.51.100.7/32"), Label: "C2", AddressCount: 1, FirstSeen: after(5), LastSeen: after(55),
			Total:       reports.Role{Amount: reports.Amount{Bytes: 4321, Packets: 12}, Outcome: reports.Outcome{Attempts: 5, Accepted: 1, Rejected: 2, Unanswered: 2, Verdict: "accepted"}, Flows: 3},
			AsInitiator: reports.Role{Flows: 2}, AsResponder: reports.Role{Flows: 1},
			Points: []reports.Point{{Host: "amsterdam", Iface: "eth0"}}, Hosts: []string{"amsterdam"}, Companies: []string{"acme"},
			Ports: []reports.PortCount{{Text: "tcp/22"}, {Text: "tcp/443"}}, PortCount: 2, Systems: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, SystemCount: 1,
		}},
	}
	golden(t, "actors", Actors{Links: everywhere}.Frames(answer))
	golden(t, "actors_nothing", Actors{}.Frames(&reports.ActorsAnswer{Text: "0 hits; 2 of 3 hosts answered", List: "bad", Entries: 2, Coverage: rests}))
}

func TestCellsAreBounded(t *testing.T) {
	points := make([]reports.Point, 1000)
	if got := places(points); len(got) > 100 || got[len(got)-12:] != "and 990 more" {
		t.Errorf("%q", got)
	}
}

// TestReportsHaveRowsOfOneLength: a frame whose columns differ can't be sent.
func TestReportsHaveRowsOfOneLength(t *testing.T) {
	for _, list := range []data.Frames{
		Path{}.Frames(&reports.PathAnswer{Views: make([]reports.PathView, 3), Services: make([]reports.PathService, 2)}),
		Asymmetry{}.Frames(&reports.AsymmetryAnswer{Pairs: make([]reports.AsymmetryPair, 3)}),
		Actors{}.Frames(&reports.ActorsAnswer{Actors: make([]reports.Hit, 3)}),
	} {
		for _, frame := range list {
			if _, err := frame.RowLen(); err != nil {
				t.Errorf("%s: %v", frame.Name, err)
			}
		}
	}
}
