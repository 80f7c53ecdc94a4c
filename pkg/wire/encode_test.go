package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite golden files")

var compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// sample has every member of a result.
func sample() *Result {
	start := time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC)
	return &Result{
		Hostname:      "fra1",
		Status:        Status{Code: CodeOK, State: StateOK},
		HostsStatuses: map[string]Status{"fra1": {Code: CodeOK, State: StateOK, Rows: 2, DurationNanoseconds: 1500000, BytesScanned: 4096}},
		Summary: Summary{
			Interfaces: []string{"eth0"}, TimeFirst: start, TimeLast: start.Add(time.Hour),
			Totals:        Counters{BytesReceived: 3000, BytesSent: 200, PacketsReceived: 30, PacketsSent: 2},
			Timings:       Timings{QueryStart: start.Add(2 * time.Hour), Duration: 1500 * time.Microsecond},
			Hits:          Hits{Displayed: 2, Total: 3},
			DataAvailable: true,
			Stats:         Stats{BytesLoaded: 4096, BlocksProcessed: 12, Workloads: 1},
			Accounting:    &Accounting{Received: 40, Metered: 32, Issues: map[string]uint64{"not_ip": 8}},
			Other:         &Other{Counters: Counters{BytesReceived: 1}, Groups: 1, Bins: []OtherBin{{start, Counters{BytesReceived: 1}}}},
			Coverage:      []BinCoverage{{start.Add(5 * time.Minute), 300}},
			Folded:        &Folded{Packets: 3, Bytes: 180, Intervals: 1},
			Explain: &Explain{Omitted: 1, BytesRead: 4096, Steps: []ExplainStep{{Host: "fra1", Source: "eth0/2026-11-20.wseg", Method: "rows",
				Reason: "the condition names a port", Chunks: 4, ChunksRead: 1, Rows: 900, BytesRead: 4096, DurationNanos: 1000}}},
		},
		Query: Echo{Attributes: []string{"sip", "dip", "dport", "proto", "verdict"}, Condition: "(dport = 443 & proto = tcp)"},
		Rows: []Row{
			{
				Labels:     Labels{Timestamp: start.Add(5 * time.Minute), Iface: "eth0", Host: "fra1", HostID: "9a1f", HostLabels: HostLabelsFrom(map[string]string{"company": "acme", "site": "<zrh>"})},
				Attributes: Attributes{Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("2001:db8::1"), DestinationPort: 443, Protocol: 6, Verdict: "accepted"},
				Counters:   Counters{math.MaxUint64, 1, 2, 3, 4, 5, 6, 7, 8},
				Before:     &Counters{BytesReceived: 9},
				FirstSeen:  time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC),
				LastSeen:   time.Date(2026, 11, 21, 5, 5, 0, 0, time.UTC),
			},
			{Labels: Labels{Iface: `<eth"0">` + "\x1b\n\u2028é\xff"}},
		},
	}
}

func encoded(t testing.TB, r *Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWriteJSONIsEncodingJSON(t *testing.T) {
	zoned := sample()
	zoned.Rows[0].Labels.Timestamp = time.Date(2026, 1, 2, 3, 4, 5, 678, zone)
	zoned.Rows[0].Attributes.Source = netip.MustParseAddr(`fe80::1%"eth0"`)
	zoned.Rows[0].Attributes.Destination = netip.MustParseAddr("::ffff:192.0.2.1")
	many := sample()
	for range 2000 { // more than one flush
		many.Rows = append(many.Rows, many.Rows[0])
	}
	bare := sample()
	bare.Rows = []Row{}
	networks := sample()
	networks.Rows[0].Attributes.SourceBits, networks.Rows[0].Attributes.DestinationBits = 40, 48
	networks.Rows[1].Attributes.SourceBits, networks.Rows[1].Before = 40, &Counters{}
	for name, r := range map[string]*Result{"sample": sample(), "zoned": zoned, "many": many, "bare": bare, "networks": networks} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(encoded(t, r))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWriteJSONHasNoNullLists(t *testing.T) {
	got := string(encoded(t, &Result{}))
	for _, want := range []string{`"rows":[]`, `"interfaces":[]`, `"attributes":[]`, `"hosts_statuses":{}`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if strings.Contains(got, "\n") {
		t.Error("a result has to stand on one line")
	}
}

func TestWriteJSONErrors(t *testing.T) {
	r := sample()
	r.Rows[0].Labels.Timestamp = time.Unix(maxEpoch, 0)
	if err := r.WriteJSON(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "row 0") {
		t.Errorf("a year that RFC 3339 cannot write: %v", err)
	}
	r = sample()
	r.Summary.TimeLast = time.Unix(maxEpoch, 0)
	if err := r.WriteJSON(&bytes.Buffer{}); err == nil {
		t.Error("a summary that cannot be written is written")
	}
	broken := errors.New("broken pipe")
	if err := sample().WriteJSON(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("WriteJSON: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// The golden file is the contract as a person reads it; it is decoded by the front end's tests, too.
func TestGoldenResult(t *testing.T) {
	r := sample()
	r.Rows[1].Labels.Iface = "eth0"
	var got bytes.Buffer
	if err := json.Indent(&got, encoded(t, r), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", "result.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
	var decoded Result
	if err := json.Unmarshal(want, &decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &decoded, compareAddresses); diff != "" {
		t.Errorf("the golden file does not decode to the sample: %s", diff)
	}
}

func TestGoldenProblem(t *testing.T) {
	r := Request{Query: "sip,dipp", Ifaces: "any", Condition: "dport = foo"}
	_, err := r.Prepare(now)
	got, err := json.MarshalIndent(err, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "problem.json")
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Error(diff)
	}
}

// What goProbe v4 servers were seen to answer decodes, and loses no counter on the way through our encoder.
func TestDecodeRecordedResults(t *testing.T) {
	folder := testenv.Shared(t, "goprobe-v4-samples")
	files, err := filepath.Glob(filepath.Join(folder, "*query*.response.txt"))
	if err != nil {
		t.Fatal(err)
	}
	results, problems := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(strings.ReplaceAll(string(text), "\r", ""), "\n\n")
		switch {
		case strings.Contains(head, ProblemType):
			var p Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status < 400 || len(p.Errors) == 0 {
				t.Errorf("%s: %+v, %v", filepath.Base(file), p, err)
			}
			problems++
		case strings.Contains(head, "application/json"):
			var r, again Result
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
				continue
			}
			if err := json.Unmarshal(encoded(t, &r), &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.Rows, again.Rows, compareAddresses); diff != "" && len(r.Rows) > 0 {
				t.Errorf("%s: %s", filepath.Base(file), diff)
			}
			if r.Summary.Hits.Displayed != int64(len(r.Rows)) {
				t.Errorf("%s: %d rows, %d displayed", filepath.Base(file), len(r.Rows), r.Summary.Hits.Displayed)
			}
			results++
		}
	}
	if results < 6 || problems < 3 {
		t.Errorf("%d results and %d problems were found", results, problems)
	}
}

func benchmarkRows() *Result {
	r := sample()
	r.Rows[1] = r.Rows[0]
	r.Rows[0].Counters = Counters{BytesReceived: 4463827096, BytesSent: 644840318, PacketsReceived: 3285260, PacketsSent: 805195}
	for range 10000 {
		r.Rows = append(r.Rows, r.Rows[0])
	}
	return r
}

func BenchmarkEncodeResult(b *testing.B) {
	r := benchmarkRows()
	b.SetBytes(int64(len(encoded(b, r))))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.WriteJSON(discard{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeResultEncodingJSON(b *testing.B) {
	r := benchmarkRows()
	b.SetBytes(int64(len(encoded(b, r))))
	for b.Loop() {
		if err := json.NewEncoder(discard{}).Encode(r); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
