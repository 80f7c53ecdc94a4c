package frames

import (
	"flag"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// noon is the moment all tests are about.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// after is noon plus minutes.
func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// columns looks columns up by name.
func columns(t testing.TB, names ...string) []wire.Column {
	t.Helper()
	var list []wire.Column
	for _, name := range names {
		prepared, err := (&wire.Request{Query: name, Ifaces: "any"}).Prepare(noon)
		if err != nil {
			t.Fatalf("column %q: %v", name, err)
		}
		list = append(list, prepared.Columns...)
	}
	return list
}

// described are the frames of a result with what stands on the first one.
func described(list data.Frames, result *wire.Result, command string, step time.Duration) data.Frames {
	About{Result: result, Command: command, Step: step}.Describe(list)
	return list
}

// golden compares the frames with a file that begins with a readable table of each.
func golden(t *testing.T, name string, list data.Frames) {
	t.Helper()
	experimental.CheckGoldenJSONResponse(t, "testdata", name, &backend.DataResponse{Frames: list}, *update)
}

func counters(br, bs, pr, ps uint64) wire.Counters {
	return wire.Counters{BytesReceived: br, BytesSent: bs, PacketsReceived: pr, PacketsSent: ps}
}

// talk is a row of the usual four attributes.
func talk(sip, dip string, dport uint16, proto flow.Protocol, c wire.Counters) wire.Row {
	return wire.Row{
		Attributes: wire.Attributes{
			Source: netip.MustParseAddr(sip), Destination: netip.MustParseAddr(dip), DestinationPort: dport, Protocol: proto,
		},
		Counters: c,
	}
}

// flows is an answer to a table query of three hosts, one of which has failed.
func flows() *wire.Result {
	return &wire.Result{
		Status: wire.Status{Code: wire.CodeOK},
		HostsStatuses: map[string]wire.Status{
			"amsterdam": {Code: wire.CodeOK, State: wire.StateOK, Rows: 2, DurationNanoseconds: 1_200_000},
			"berlin":    {Code: wire.CodeError, State: wire.StateTimeout, Message: "no answer\nwithin 20s"},
			"cairo":     {Code: wire.CodeOK, State: wire.StateOK, Rows: 1},
		},
		Summary: wire.Summary{
			TimeFirst: noon, TimeLast: after(60),
			Totals:  counters(8_000_000, 2_000_000, 9_000, 6_000),
			Hits:    wire.Hits{Displayed: 3, Total: 1204},
			Timings: wire.Timings{Duration: 15 * time.Millisecond},
			Stats:   wire.Stats{BlocksProcessed: 36, BytesLoaded: 54_321},
		},
		Rows: []wire.Row{
			talk("10.0.0.1", "192.0.2.10", 443, flow.TCP, counters(4_000_000, 1_000_000, 4_000, 3_000)),
			talk("fe80::1", "ff02::fb", 5353, flow.UDP, counters(0, 2_500, 0, 25)),
			talk("10.0.0.2", "192.0.2.10", 8*256, flow.ICMP, counters(980, 980, 10, 10)),
		},
	}
}

func TestAmountSaturates(t *testing.T) {
	huge := counters(math.MaxUint64, 1, math.MaxUint64, 1)
	for _, value := range []Value{Bytes, Packets} {
		if got := amount(huge, wire.DirectionBoth, value); got != math.MaxUint64 {
			t.Errorf("%s in both directions = %d, want the largest value", value, got)
		}
	}
}

func TestAmountChooses(t *testing.T) {
	c := counters(1, 20, 300, 4000)
	type choice struct {
		d wire.Direction
		v Value
	}
	want := map[choice]uint64{
		{wire.DirectionIn, Bytes}: 1, {wire.DirectionOut, Bytes}: 20, {wire.DirectionBoth, Bytes}: 21,
		{wire.DirectionIn, Packets}: 300, {wire.DirectionOut, Packets}: 4000, {wire.DirectionBoth, Packets}: 4300,
	}
	for ch, w := range want {
		if got := amount(c, ch.d, ch.v); got != w {
			t.Errorf("%s %s = %d, want %d", ch.d, ch.v, got, w)
		}
	}
}

func TestTextOfEveryQueryField(t *testing.T) {
	row := talk("10.0.0.1", "2001:db8::1", 53, flow.UDP, wire.Counters{})
	row.Labels = wire.Labels{Timestamp: noon, Host: "amsterdam", HostID: "4711", Iface: "eth0"}
	row.Attributes.Verdict = "accepted"
	want := map[string]string{
		"host": "amsterdam", "hostid": "4711", "iface": "eth0", "sip": "10.0.0.1", "dip": "2001:db8::1",
		"dport": "53", "proto": "udp", "verdict": "accepted",
	}
	for _, f := range flow.Fields() {
		if !f.Query || f.Type == flow.TypeTime {
			continue
		}
		if got := text(wire.Column{Field: f, Name: f.Name}, &row.Labels, &row.Attributes); got == "" || got != want[f.Name] {
			t.Errorf("text of %s = %q, want %q", f.Name, got, want[f.Name])
		}
	}
	if got := text(columns(t, "sip")[0], &wire.Labels{}, &wire.Attributes{}); got != "" {
		t.Errorf("text of no address = %q, want nothing", got)
	}
}

func TestTitle(t *testing.T) {
	for _, test := range []struct {
		names, texts []string
		want         string
	}{
		{nil, nil, ""},
		{[]string{"sip"}, []string{"10.0.0.1"}, "10.0.0.1"},
		{[]string{"sip", "dip"}, []string{"a", "b"}, "a → b"},
		{[]string{"sip", "dip", "dport", "proto"}, []string{"a", "b", "443", "tcp"}, "a → b 443/tcp"},
		{[]string{"host", "iface", "dport", "proto"}, []string{"h", "eth0", "53", "udp"}, "h eth0 53/udp"},
		{[]string{"dip", "sip"}, []string{"b", "a"}, "b a"},
	} {
		if got := title(columns(t, test.names...), test.texts); got != test.want {
			t.Errorf("title of %v = %q, want %q", test.names, got, test.want)
		}
	}
}

// TestInputStays runs every builder and then compares the result with an untouched copy.
func TestInputStays(t *testing.T) {
	given, untouched := flows(), flows()
	Table{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Bytes}.Frames(given)
	Series{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Bytes, Step: time.Minute}.Frames(given)
	if diff := cmp.Diff(untouched, given, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the result was changed (-before +after):\n%s", diff)
	}
}
