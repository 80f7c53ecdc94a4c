package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/pkg/wire/arrowipc"
)

var compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// answerTo is an answer to a request, with something in every column.
func answerTo(t testing.TB, request wire.Request, rows int) (*wire.Query, *wire.Result) {
	t.Helper()
	now := time.Unix(1_795_238_400, 0).UTC()
	q, err := request.Prepare(now)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(rows), 7))
	address := func(bits uint8) netip.Addr {
		switch random.IntN(8) {
		case 0:
			return netip.Addr{} // of a folded row
		case 1, 2:
			return wire.Network(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 9, 15: byte(random.Uint32())}), bits)
		case 3:
			return wire.Network(netip.AddrFrom16([16]byte{10: 0xff, 0xff, 192, 0, 2, 1}), bits)
		}
		return wire.Network(netip.AddrFrom4([4]byte{10, byte(random.Uint32()), byte(random.Uint32()), 1}), bits)
	}
	sums := func() wire.Counters {
		return wire.Counters{BytesReceived: random.Uint64(), BytesSent: random.Uint64N(4), PacketsReceived: 1, PacketsSent: 2, Attempts: 3,
			Accepts: 4, Rejects: random.Uint64N(2), RoundTripNanoseconds: 6, RoundTrips: 7}
	}
	r := &wire.Result{Hostname: "alpha", Status: wire.Status{Code: wire.CodeOK}, HostsStatuses: map[string]wire.Status{"alpha": {Code: wire.CodeOK}},
		Summary: wire.Summary{Interfaces: []string{"eth0"}, TimeFirst: now, TimeLast: now}, Query: q.Echo(), Rows: []wire.Row{}}
	for i := range rows {
		row := wire.Row{Counters: sums()}
		row.Labels.Host, row.Labels.Iface = []string{"alpha", "", "é\n"}[random.IntN(3)], fmt.Sprint("eth", random.IntN(40))
		if q.Merge {
			row.Labels = wire.Labels{}
		}
		a := &row.Attributes
		for _, c := range q.Columns {
			switch c.Field.Name {
			case "time":
				row.Labels.Timestamp = now.Add(time.Duration(i) * time.Second)
			case "sip":
				a.Source, a.SourceBits = address(c.Prefix), c.Prefix
			case "dip":
				a.Destination, a.DestinationBits = address(c.Prefix), c.Prefix
			case "dport":
				a.DestinationPort = uint16(random.Uint32())
			case "proto":
				a.Protocol = flow.Protocol(random.Uint32())
			case "verdict":
				a.Verdict = flow.VerdictNames()[random.IntN(3)]
			case "label.site", "label.company":
				row.Labels.HostLabels = row.Labels.HostLabels.With(map[string]string{c.Label: []string{"x", "Ä/b"}[random.IntN(2)]})
			}
		}
		if q.Seen {
			row.FirstSeen, row.LastSeen = now, now.Add(time.Hour)
		}
		if q.Compares() {
			before := sums()
			row.Before = &before
		}
		r.Rows = append(r.Rows, row)
	}
	return q, r
}

var arrowRequests = []wire.Request{
	{Query: "sip,dip,dport,proto", Ifaces: "any"}, {Query: "raw,verdict", Ifaces: "any", Merge: true},
	{Query: "label.site,sip/24,label.company,dip/48", Ifaces: "any", Merge: true, Seen: true},
	{Query: "time,proto", Ifaces: "any"}, {Query: "sip", First: "-1h", Compare: "1d", Ifaces: "any", Merge: true},
}

// What is read of a stream is what is read of JSON.
func TestArrowIsAsJSON(t *testing.T) {
	for _, request := range arrowRequests {
		for _, rows := range []int{0, 1, 4200} {
			q, want := answerTo(t, request, rows)
			var stream, text bytes.Buffer
			if err := arrowipc.Write(&stream, q, want); err != nil {
				t.Fatal(err)
			}
			if err := want.WriteJSON(&text); err != nil {
				t.Fatal(err)
			}
			var got, asJSON wire.Result
			if err := readArrow(&stream, &got); err != nil {
				t.Fatalf("%s, %d rows: %v", request.Query, rows, err)
			}
			if err := json.Unmarshal(text.Bytes(), &asJSON); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON, got, compareAddresses); diff != "" {
				t.Fatalf("%s, %d rows: %s", request.Query, rows, diff)
			}
		}
	}
}

// A stream that was cut, or changed, is an error or another answer, never a panic.
func TestArrowThatIsBroken(t *testing.T) {
	q, r := answerTo(t, arrowRequests[1], 50)
	var b bytes.Buffer
	if err := arrowipc.Write(&b, q, r); err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < b.Len(); cut += 1 + cut/50 {
		if err := readArrow(bytes.NewReader(b.Bytes()[:cut]), &wire.Result{}); err == nil {
			t.Fatalf("a stream that was cut after %d of %d bytes is taken", cut, b.Len())
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		data := bytes.Clone(b.Bytes())
		for range 1 + random.IntN(3) {
			data[random.IntN(len(data))] = byte(random.Uint32())
		}
		_ = readArrow(bytes.NewReader(data), &wire.Result{})
	}
}

func FuzzArrow(f *testing.F) {
	for _, request := range arrowRequests {
		q, r := answerTo(f, request, 3)
		var b bytes.Buffer
		if err := arrowipc.Write(&b, q, r); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r wire.Result
		if readArrow(bytes.NewReader(data), &r) == nil && len(r.Rows)*72 > len(data) {
			t.Fatalf("%d rows of %d bytes", len(r.Rows), len(data))
		}
	})
}

// A server is asked for a stream where many rows are expected, and may answer in JSON.
func TestManyRowsAreAskedForAsArrow(t *testing.T) {
	for _, test := range []struct {
		rows   int64
		arrow  bool // the server knows it
		accept string
	}{{manyRows, true, "application/vnd.apache.arrow.stream"}, {manyRows, false, "application/vnd.apache.arrow.stream"}, {manyRows - 1, true, ""}} {
		request := wire.Request{Query: "sip", Ifaces: "any", Merge: true, NumResults: test.rows}
		q, want := answerTo(t, request, 20)
		_, c := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/-/info" {
				fmt.Fprint(w, `{"name":"weir-probe","version":"1"}`)
				return
			}
			accept := r.Header.Get("Accept")
			if (test.accept == "") != (accept == "") || !strings.HasPrefix(accept, test.accept) {
				t.Errorf("%d rows: Accept: %s", test.rows, accept)
			}
			format, err := wire.Negotiate(accept)
			if err != nil {
				t.Error(err)
			}
			if !test.arrow {
				format = wire.FormatJSON
			}
			w.Header().Set("Content-Type", format.MediaType())
			if format == wire.FormatArrow {
				err = arrowipc.Write(w, q, want)
			} else {
				err = want.WriteJSON(w)
			}
			if err != nil {
				t.Error(err)
			}
		}))
		got, err := c.Query(t.Context(), &request)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Rows, got.Rows, compareAddresses); diff != "" || got.Hostname != "alpha" {
			t.Errorf("%d rows: %s", test.rows, diff)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	q, r := answerTo(b, arrowRequests[0], 50_000)
	var stream, text bytes.Buffer
	if err := arrowipc.Write(&stream, q, r); err != nil {
		b.Fatal(err)
	}
	if err := r.WriteJSON(&text); err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"Arrow": func() error { return readArrow(bytes.NewReader(stream.Bytes()), &wire.Result{}) },
		"JSON":  func() error { return json.Unmarshal(text.Bytes(), &wire.Result{}) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			done := testenv.ReportCPU(b)
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
			done()
		})
	}
}
