package render

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// extras is a result with all that answers may have beside goProbe's: names, an earlier span, an explanation, a trace.
// What comes from elsewhere means harm.
func extras(t *testing.T) (View, *wire.Result) {
	t.Helper()
	q := prepare(t, wire.Request{Query: "sip,dip/24,dport", Ifaces: "eth0", Compare: "1d", First: "-1h", Seen: true, Enrich: true,
		DNSResolution: &wire.DNSResolution{Enabled: true}})
	first := row("eth0", "10.0.0.1", "10.1.2.0", 443, 6, 3000, 3000, 20, 20)
	first.Attributes.DestinationBits = 24
	first.Before = &wire.Counters{BytesReceived: 4000, PacketsReceived: 10}
	second := row("eth0", "10.0.0.2", "10.1.2.0", 80, 6, 1000, 0, 5, 0)
	second.Attributes.DestinationBits = 24
	second.Before = &wire.Counters{}
	first.FirstSeen, first.LastSeen = time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 5, 5, 0, 0, time.UTC)
	second.FirstSeen, second.LastSeen = first.LastSeen, first.LastSeen
	r := &wire.Result{
		Status: wire.Status{Code: wire.CodeOK}, Rows: []wire.Row{first, second},
		Query: wire.Echo{Lookups: map[string][]netip.Addr{"evil\x1b[2J.example": {netip.MustParseAddr("10.0.0.1")}}},
	}
	r.Summary.Interfaces = []string{"eth0"}
	r.Summary.Hits = wire.Hits{Displayed: 2, Total: 2}
	r.Summary.Totals = wire.Counters{BytesReceived: 4000, BytesSent: 3000, PacketsReceived: 25, PacketsSent: 20}
	r.Summary.Names = map[netip.Addr]string{
		netip.MustParseAddr("10.0.0.1"): "=cmd|'/C calc'!\x1b[31m<script>\",\n", netip.MustParseAddr("10.1.2.0"): "a network has no name",
	}
	r.Summary.Enrichment = map[netip.Addr]wire.Origin{
		netip.MustParseAddr("10.0.0.1"): {Country: "DE", ASN: 64500, Organisation: "=Evil\x1b[2J, \"Ltd\"\n"}, netip.MustParseAddr("10.0.0.2"): {Country: "FR"},
		netip.MustParseAddr("10.1.2.0"): {Country: "XX", Organisation: "a network has no origin"},
	}
	r.Summary.Timings.Resolution = 12 * time.Millisecond
	r.Summary.TraceID = "0af7651916cd43dd8448eb211c80319c\x1b"
	r.Summary.Folded = &wire.Folded{Packets: 12, Bytes: 3000, Intervals: 2}
	r.Summary.Stats = wire.Stats{BytesLoaded: 2048, BytesDecompressed: 1 << 20, BlocksProcessed: 3, DirectoriesProcessed: 1, Workloads: 2}
	r.Summary.Explain = &wire.Explain{BytesRead: 4096, Omitted: 1, Steps: []wire.ExplainStep{
		{Source: "eth0/2026-11-21.wseg", Method: "rows", Chunks: 4, ChunksRead: 2, Rows: 5000, BytesRead: 4096, DurationNanos: 3e6},
		{Source: "eth0\x1b live", Method: "skipped", Reason: "outside the\nspan"},
	}}
	return View{Query: q, Zone: time.UTC, Stats: true}, r
}

func TestExtras(t *testing.T) {
	v, r := extras(t)
	for name, write := range map[string]func(*strings.Builder) error{
		"extras.txt":    func(b *strings.Builder) error { return v.Text(b, r) },
		"extras.csv":    func(b *strings.Builder) error { return v.CSV(b, r) },
		"extras.ndjson": func(b *strings.Builder) error { return NDJSON(b, r) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		for _, c := range b.String() {
			if c < ' ' && c != '\n' {
				t.Errorf("%s: control character %q", name, c)
			}
		}
	}
	if w := Warnings(r); len(w) != 1 || !strings.Contains(w[0], "flow table was full") {
		t.Errorf("warnings %q", w)
	}
	var b strings.Builder
	if err := ExplainText(&b, &wire.Result{}); err != nil || b.Len() > 0 {
		t.Errorf("%v, %q without an explanation", err, b.String())
	}
}

func TestChanged(t *testing.T) {
	for _, test := range []struct {
		before, now uint64
		want        string
	}{{0, 0, "0.0"}, {0, 1, "new"}, {1, 0, "-100.0"}, {200, 300, "50.0"}, {1 << 63, 1<<64 - 1, "100.0"}} {
		if got := changed(test.before, test.now); got != test.want {
			t.Errorf("changed(%d, %d) = %s, want %s", test.before, test.now, got, test.want)
		}
	}
}

// TestEscapeJSON: what is escaped means the same, and what prints stays as it is.
func TestEscapeJSON(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 水 e\u0301": `"plain é 水 e` + "\u0301" + `"`, "\u009b31m": `"\u009b31m"`, "a\u202eb\u200f": `"a\u202eb\u200f"`, "\x7f": `"\u007f"`,
		"\U000e0001x": `"\udb40\udc01x"`, "\u0085\u2028": `"\u0085\u2028"`,
	} {
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := escapeJSON(encoded)
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text || string(got) != want {
			t.Errorf("%q: %s, want %s, reads as %q, %v", text, got, want, back, err)
		}
	}
}
