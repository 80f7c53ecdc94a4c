package frames

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// attempts adds connection attempts and their outcomes to counters.
func attempts(c wire.Counters, all, accepted, rejected uint64) wire.Counters {
	c.Attempts, c.Accepts, c.Rejects = all, accepted, rejected
	return c
}

// talkers is an answer by source and destination, with attempts of every outcome and names of two addresses.
func talkers() *wire.Result {
	result := flows()
	result.Rows = []wire.Row{
		talk("10.0.0.1", "192.0.2.10", 0, 0, attempts(counters(4_980_000_000, 1_000_000, 4_000_000, 3_000), 10, 9, 1)),
		talk("10.0.0.2", "192.0.2.10", 0, 0, attempts(counters(1_500, 0, 15, 0), 4, 0, 4)),
		talk("10.0.0.3", "10.0.0.1", 0, 0, attempts(counters(600, 0, 10, 0), 10, 0, 0)),
		talk("10.0.0.3", "10.0.0.3", 0, 0, counters(999, 0, 1, 0)),
	}
	for i := range result.Rows {
		result.Rows[i].Attributes.Protocol = 0
	}
	result.Summary.Names = map[netip.Addr]string{
		netip.MustParseAddr("192.0.2.10"): "web.example", netip.MustParseAddr("10.0.0.1"): "desk-1.example",
	}
	return result
}

var everywhere = Links{DataSource: "weir", Condition: "dport = 443"}

func TestGraphGolden(t *testing.T) {
	pair := columns(t, "sip", "dip")
	graph := Graph{From: pair[0], To: pair[1], Direction: wire.DirectionBoth, Value: Bytes, Named: true, Links: everywhere}
	golden(t, "graph", described(graph.Frames(talkers()), talkers(), "weir query", 0))
	golden(t, "graph_empty", graph.Frames(&wire.Result{}))
}

// TestGraphRings: the parts of a ring are the whole, whatever the counters say.
func TestGraphRings(t *testing.T) {
	result := talkers()
	result.Rows = append(result.Rows, talk("10.0.0.9", "10.0.0.8", 0, 0, attempts(counters(1, 1, 1, 1), 3, 5, 9)))
	pair := columns(t, "sip", "dip")
	nodes := Graph{From: pair[0], To: pair[1], Direction: wire.DirectionBoth, Value: Bytes}.Frames(result)[0]
	for i := range nodes.Rows() {
		sum := 0.0
		for _, f := range nodes.Fields {
			if strings.HasPrefix(f.Name, "arc__") {
				sum += f.At(i).(float64)
			}
		}
		if sum < 0.999 || sum > 1.001 {
			t.Errorf("node %v: the ring is %v", nodes.Fields[0].At(i), sum)
		}
	}
}

// TestGraphOfDifferentKinds: a host and an address of the same text are two nodes.
func TestGraphOfDifferentKinds(t *testing.T) {
	result := talkers()
	for i := range result.Rows {
		result.Rows[i].Labels.Host = "192.0.2.10"
	}
	graph := Graph{From: columns(t, "host")[0], To: columns(t, "dip")[0], Direction: wire.DirectionBoth, Value: Bytes}
	nodes, _ := graph.Frames(result)[0].FieldByName("id")
	ids := map[any]bool{}
	for i := range nodes.Len() {
		ids[nodes.At(i)] = true
	}
	if !ids["host 192.0.2.10"] || !ids["dip 192.0.2.10"] {
		t.Errorf("nodes %v", ids)
	}
}

func TestAnnotationsGolden(t *testing.T) {
	result := bins5()
	result.Rows[2].Attributes.Verdict = "rejected"
	result.Rows[2].Labels.Host = "<b>host</b>, other"
	result.Rows[2].Counters = attempts(result.Rows[2].Counters, 3, 0, 2)
	list := Annotations{
		Columns: columns(t, "host", "sip", "verdict"), Direction: wire.DirectionBoth, Value: Bytes, Step: step,
	}.Frames(result)
	golden(t, "annotations", described(list, result, "weir query", step))
}

// TestAnnotationsJoinTouchingBins: 12:05 and 12:10 are one region, 12:25 is another.
func TestAnnotationsJoinTouchingBins(t *testing.T) {
	frame := Annotations{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Bytes, Step: step}.Frames(bins5())[0]
	got := map[string]bool{}
	for i := range frame.Rows() {
		first, last := frame.Fields[0].At(i).(time.Time), frame.Fields[1].At(i).(time.Time)
		got[frame.Fields[2].At(i).(string)+first.Format(" 15:04")+last.Format(" 15:04")] = true
	}
	want := map[string]bool{"10.0.0.1 12:00 12:10": true, "10.0.0.1 12:20 12:25": true, "10.0.0.2 12:05 12:10": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("regions (-want +got):\n%s", diff)
	}
	if n := (Annotations{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Bytes, Step: step, Limit: 2}).Frames(bins5())[0].Rows(); n != 2 {
		t.Errorf("%d regions, the limit is 2", n)
	}
}

func TestDebugGolden(t *testing.T) {
	golden(t, "debug", data.Frames{Debug(flows())})
}

func TestListGolden(t *testing.T) {
	golden(t, "list", data.Frames{List([]Choice{{"Source IP", "sip"}, {"Host", "host"}})})
}

func TestValues(t *testing.T) {
	want := []string{"443", "5353", "2048"}
	if diff := cmp.Diff(want, Values(columns(t, "dport")[0], flows())); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestHostsGolden(t *testing.T) {
	received := &wire.Accounting{Received: 1_000_000, Dropped: 12}
	rows := []Host{
		{
			CatalogHost: wire.CatalogHost{
				Name: "amsterdam", ID: "4711", Labels: map[string]string{"company": "acme", "site": "ams"}, State: wire.StateOK, Kind: "probe",
				Version: "1.2.3", Interfaces: []string{"eth0", "eth1"}, First: noon.Add(-90 * 24 * time.Hour), Last: noon,
				ClockSkewNanoseconds: -int64(42 * time.Second),
			},
			Server: "amsterdam", Duration: 12 * time.Millisecond, Counters: counters(1000, 2000, 10, 20), Capture: received,
		},
		{
			CatalogHost: wire.CatalogHost{Name: "berlin", Labels: map[string]string{"company": "other"}, State: wire.StateError, Class: wire.ClassTLS, Error: "the server's certificate\nhas expired"},
			Server:      "gateway",
		},
	}
	golden(t, "hosts", Hosts{Links: everywhere, Now: noon.Add(3 * time.Minute)}.Frames(rows))
	golden(t, "hosts_empty", Hosts{}.Frames(nil))
}

func TestQuantity(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 7: "7 B", 999: "999 B", 1000: "1.00 kB", 1234: "1.23 kB", 9994: "9.99 kB", 9996: "10.0 kB", 99_949: "99.9 kB", 99_951: "100 kB",
		999_499: "999 kB", 999_500: "1.00 MB", 4_980_000_000: "4.98 GB", 1<<64 - 1: "18.4 EB",
	} {
		if got := quantity(n, "B"); got != want {
			t.Errorf("quantity(%d) = %q, want %q", n, got, want)
		}
	}
	if got := quantity(12, ""); got != "12" {
		t.Errorf("a bare number: %q", got)
	}
}

func TestTableOfNetworksNamesAndComparison(t *testing.T) {
	result := talkers()
	for i := range result.Rows {
		result.Rows[i].Before = &wire.Counters{BytesReceived: uint64(i) * 300}
		result.Rows[i].Attributes.DestinationPort, result.Rows[i].Attributes.Protocol = 443, flow.TCP
		result.Rows[i].Attributes.Verdict = "accepted"
		result.Rows[i].Attributes.DestinationBits = 24
	}
	result.Summary.Other = &wire.Other{Counters: counters(5, 5, 1, 1), Groups: 3}
	list := Table{
		Columns: columns(t, "sip", "dip/24", "dport", "proto", "verdict"), Direction: wire.DirectionIn, Value: Bytes, Seconds: 3600,
		Compared: true, Named: true, Links: everywhere,
	}.Frames(result)
	golden(t, "table_everything", described(list, result, "weir query", 0))
}

func TestTableOfOrigins(t *testing.T) {
	result := talkers()
	result.Summary.Enrichment = map[netip.Addr]wire.Origin{
		netip.MustParseAddr("192.0.2.10"): {Country: "CH", ASN: 64500, Organisation: "Acme"}, netip.MustParseAddr("10.0.0.1"): {Country: "DE"},
	}
	list := Table{Columns: columns(t, "sip", "dip"), Direction: wire.DirectionBoth, Value: Bytes, Seconds: 3600, Enriched: true}.Frames(result)
	golden(t, "table_enriched", described(list, result, "weir query", 0))
}
