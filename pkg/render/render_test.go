package render

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func prepare(t testing.TB, r wire.Request) *wire.Query {
	t.Helper()
	q, err := r.Prepare(time.Unix(1_795_238_400, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func row(iface, sip, dip string, dport uint16, proto flow.Protocol, br, bs, pr, ps uint64) wire.Row {
	return wire.Row{
		Labels: wire.Labels{Iface: iface, Host: "vm", HostID: "3d1219c7"},
		Attributes: wire.Attributes{Source: netip.MustParseAddr(sip), Destination: netip.MustParseAddr(dip),
			DestinationPort: dport, Protocol: proto},
		Counters: wire.Counters{BytesReceived: br, BytesSent: bs, PacketsReceived: pr, PacketsSent: ps},
	}
}

// pair is what both ends of a cable saw: the figures of ../shared/goprobe-v4-samples.
func pair() *wire.Result {
	return &wire.Result{
		Hostname: "vm",
		Status:   wire.Status{Code: wire.CodeOK}, HostsStatuses: map[string]wire.Status{"vm": {Code: wire.CodeOK}},
		Query: wire.Echo{Attributes: []string{"sip", "dip", "dport", "proto"}},
		Summary: wire.Summary{
			Interfaces: []string{"vetha", "vethb"},
			TimeFirst:  time.Unix(1_795_238_100, 0).UTC(), TimeLast: time.Unix(1_795_238_400, 0).UTC(),
			Totals:  wire.Counters{BytesReceived: 166126444, BytesSent: 166126444, PacketsReceived: 16330, PacketsSent: 16330},
			Timings: wire.Timings{Duration: 31 * time.Millisecond},
			Hits:    wire.Hits{Displayed: 5, Total: 30},
		},
		Rows: []wire.Row{
			row("vethb", "fd77::1", "fd77::2", 5202, flow.TCP, 75254945, 73418, 1733, 850),
			row("vetha", "fd77::1", "fd77::2", 5202, flow.TCP, 73418, 75254945, 850, 1733),
			row("vethb", "192.168.77.1", "192.168.77.2", 5201, flow.TCP, 75219821, 59706, 1743, 900),
			row("vetha", "192.168.77.1", "192.168.77.2", 5201, flow.TCP, 59706, 75219821, 900, 1743),
			row("vethb", "192.168.77.1", "192.168.77.2", 5203, flow.UDP, 15427598, 138, 10357, 3),
		},
	}
}

func hostile() *wire.Result {
	r := pair()
	r.Rows = r.Rows[:2]
	r.Rows[0].Labels.Iface, r.Rows[0].Labels.Host = "=cmd|' /C calc'!A0", "a\x1b]0;owned\a\x1b[31m"
	r.Rows[1].Labels.Iface, r.Rows[1].Labels.Host = "\"q,\r\nnext", "\u202egnp.exe\xff\u0301<script>"
	r.Summary.Interfaces = []string{"-2+3", r.Rows[0].Labels.Iface, r.Rows[1].Labels.Iface}
	r.Summary.Hits = wire.Hits{Displayed: 2, Total: 2}
	r.Status.Message = "see \x1b[2J\nweir: all is well"
	r.Query.Condition = "sip = 10.0.0.1\x1b[2J"
	r.HostsStatuses = map[string]wire.Status{
		"@SUM(1+1)":       {Code: wire.CodeOK, State: wire.StateOK},
		"evil\x1b[1mhost": {Code: wire.CodeError, State: wire.StateError, Message: "\x9b31m\r\nfake line"},
	}
	return r
}

func TestText(t *testing.T) {
	full := wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any"}
	with := func(change func(*wire.Request)) wire.Request {
		r := full
		change(&r)
		return r
	}
	tests := []struct {
		name    string
		request wire.Request
		hosts   bool
		result  func() *wire.Result
	}{
		{"both", full, true, pair},
		{"in", with(func(r *wire.Request) { r.In = true; r.SortBy = "packets" }), false, pair},
		{"out", with(func(r *wire.Request) { r.Out = true; r.SortAscending = true }), false, pair},
		{"sum", with(func(r *wire.Request) { r.Sum = true }), false, pair},
		{"one-interface", with(func(r *wire.Request) { r.Ifaces = "vethb" }), false, func() *wire.Result {
			r := pair()
			r.Summary.Interfaces = []string{"vethb"}
			return r
		}},
		{"order-of-columns", with(func(r *wire.Request) { r.Query = "proto,hostid,dport,time" }), false, func() *wire.Result {
			r := pair()
			r.Rows[0].Labels.Timestamp = time.Unix(1_795_238_400, 0)
			return r
		}},
		{"other", with(func(r *wire.Request) { r.Other = true; r.Merge = true }), false, func() *wire.Result {
			r := pair()
			r.Status.Message = "no interface \"eht0\""
			r.Summary.Other = &wire.Other{Groups: 25, Counters: wire.Counters{BytesReceived: 90662, BytesSent: 15518416, PacketsReceived: 747, PacketsSent: 11101}}
			return r
		}},
		{"fleet", with(func(r *wire.Request) { r.Condition = "dport = 5201 or dport = 5202" }), true, func() *wire.Result {
			r := pair()
			r.Query.Condition = "(dport = 5201 | dport = 5202)"
			r.Summary.Hits.Bound = true
			r.Status.Message = "2 of 3 hosts did not answer"
			r.Summary.Accounting = &wire.Accounting{Received: 32660, Dropped: 1234, Metered: 32600, Issues: map[string]uint64{"not_ip": 58, "truncated": 2}}
			r.Summary.Stats.BlocksCorrupted = 2
			r.HostsStatuses["probe-b"] = wire.Status{Code: wire.CodeError, State: wire.StateTimeout, Message: "no answer in time"}
			r.HostsStatuses["probe-c"] = wire.Status{Code: wire.CodeError}
			return r
		}},
		{"icmp", full, false, func() *wire.Result {
			r := pair()
			r.Rows = []wire.Row{
				row("vetha", "10.0.0.1", "10.0.0.2", 8<<8, flow.ICMP, 98, 98, 1, 1),
				row("vetha", "10.0.0.1", "10.0.0.2", 3<<8|3, flow.ICMP, 98, 0, 1, 0),
				row("vetha", "10.0.0.1", "10.0.0.2", 200<<8|7, flow.ICMP, 98, 0, 1, 0),
				row("vetha", "fd77::1", "fd77::2", 128<<8, flow.ICMPv6, 98, 98, 1, 1),
				row("vetha", "10.0.0.1", "10.0.0.2", 0, flow.ICMP, 98, 0, 1, 0),
				row("vetha", "10.0.0.1", "10.0.0.2", 0, 89, 98, 0, 1, 0),
			}
			r.Summary.Totals = wire.Counters{BytesReceived: 588, BytesSent: 196, PacketsReceived: 6, PacketsSent: 2}
			r.Summary.Hits = wire.Hits{Displayed: 6, Total: 6}
			return r
		}},
		{"series", with(func(r *wire.Request) { r.Query = "time,proto"; r.Series = true; r.Merge = true }), false, func() *wire.Result {
			r := pair()
			r.Rows = r.Rows[:1]
			r.Rows[0].Labels = wire.Labels{Timestamp: r.Summary.TimeLast}
			r.Summary.Hits = wire.Hits{Displayed: 1, Total: 1}
			return r
		}},
		{"empty", full, false, func() *wire.Result {
			r := pair()
			r.Rows, r.Status = nil, wire.Status{Code: wire.CodeEmpty, Message: "there is data, but no flow in it matches"}
			r.Summary.Hits = wire.Hits{}
			return r
		}},
		{"open-end", full, false, func() *wire.Result {
			r := pair()
			r.Rows, r.Status = nil, wire.Status{Code: wire.CodeMissingData}
			r.Summary.TimeLast = time.Unix(wire.EndOfTime, 0)
			return r
		}},
		{"no-data", full, false, func() *wire.Result {
			r := pair()
			r.Rows, r.Status = nil, wire.Status{Code: wire.CodeMissingData, Message: "no data between A and B; eth0 has data from C to D"}
			r.Summary = wire.Summary{}
			return r
		}},
		{"hostile", full, true, hostile}, {"hostile-local", full, false, hostile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			v := View{Query: prepare(t, test.request), Hosts: test.hosts, Zone: time.UTC}
			if err := v.Text(&b, test.result()); err != nil {
				t.Fatal(err)
			}
			golden(t, test.name+".txt", b.String())
			for line := range strings.Lines(b.String()) {
				if strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
					t.Errorf("blanks at the end of %q", line)
				}
			}
			printable(t, b.String())
		})
	}
}

func printable(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r == utf8.RuneError || r != '\n' && (!unicode.IsPrint(r) || unicode.Is(unicode.M, r)) {
			t.Errorf("%q does not print, in:\n%s", r, text)
		}
	}
}

func TestCSV(t *testing.T) {
	timed := pair()
	for i := range timed.Rows {
		timed.Rows[i].Labels.Timestamp = time.Unix(1_795_238_400, 0)
	}
	tests := []struct {
		name    string
		request wire.Request
		hosts   bool
		result  *wire.Result
	}{
		{"both", wire.Request{Query: "sip,dip,dport,proto", Ifaces: "vethb"}, false, pair()},
		{"in", wire.Request{Query: "raw", Ifaces: "any", In: true}, false, timed},
		{"hostile", wire.Request{Query: "sip,dip", Ifaces: "any"}, true, hostile()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			if err := (View{Query: prepare(t, test.request), Hosts: test.hosts}).CSV(&b, test.result); err != nil {
				t.Fatal(err)
			}
			golden(t, test.name+".csv", b.String())
			printable(t, b.String())
			reader := csv.NewReader(strings.NewReader(b.String()))
			reader.FieldsPerRecord = -1
			records, err := reader.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range records {
				for i, cell := range record {
					if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@|\t\r") {
						t.Errorf("cell %d of %q starts a formula", i, record)
					}
				}
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for _, want := range []*wire.Result{pair(), hostile()} {
		if want.Hostname == "vm" && len(want.Rows) == 2 { // JSON can't hold bytes that are no UTF-8
			want.Rows[1].Labels.Host, want.HostsStatuses = "\u202e<script>", nil
		}
		var b strings.Builder
		if err := JSON(&b, want); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "\n") != 1 || !strings.HasSuffix(b.String(), "}\n") {
			t.Errorf("not on one line: %q", b.String())
		}
		var got wire.Result
		if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Rows, got.Rows, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	v := View{Query: prepare(t, wire.Request{Query: "sip", Ifaces: "any"}), Zone: time.UTC}
	for name, write := range map[string]func(*failing) error{
		"text": func(w *failing) error { return v.Text(w, pair()) },
		"csv":  func(w *failing) error { return v.CSV(w, pair()) },
		"json": func(w *failing) error { return JSON(w, pair()) },
	} {
		if err := write(&failing{}); err == nil {
			t.Errorf("%s: no error from a writer that fails", name)
		}
	}
}

type failing struct{}

func (*failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestTextAgreesWithGoQuery compares with a table that goQuery printed: same columns, same figures.
func TestTextAgreesWithGoQuery(t *testing.T) {
	sample, err := os.ReadFile(testenv.Shared(t, "goprobe-v4-samples", "goquery-cli-via-global-query.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	v := View{Query: prepare(t, wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any"}), Hosts: true, Zone: time.UTC}
	if err := v.Text(&b, pair()); err != nil {
		t.Fatal(err)
	}
	// Everything above the footer, without spacing; the dots stand in one column more with us.
	words := func(text string) []string {
		table, _, _ := strings.Cut(text, "\nTime")
		return strings.Fields(strings.ReplaceAll(table, "...", ""))
	}
	if diff := cmp.Diff(words(string(sample)), words(b.String())); diff != "" {
		t.Errorf("(-goQuery +weir):\n%s", diff)
	}
}
