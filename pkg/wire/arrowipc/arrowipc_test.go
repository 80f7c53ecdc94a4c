package arrowipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

var compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func prepare(t testing.TB, r wire.Request) *wire.Query {
	t.Helper()
	q, err := r.Prepare(time.Unix(1_795_238_400, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// randomResult is a result of the query with values from all over their range.
func randomResult(random *rand.Rand, q *wire.Query, rows int) *wire.Result {
	start := time.Unix(1_795_150_800, 0).UTC()
	r := &wire.Result{
		Hostname: "alpha", Status: wire.Status{Code: wire.CodeOK, State: wire.StateOK},
		HostsStatuses: map[string]wire.Status{"alpha": {Code: wire.CodeOK}},
		Summary: wire.Summary{Interfaces: []string{"eth0"}, TimeFirst: start, TimeLast: start.Add(time.Hour), DataAvailable: true,
			Hits: wire.Hits{Displayed: int64(rows), Total: int64(rows)}, Timings: wire.Timings{QueryStart: start}},
		Query: q.Echo(), Rows: make([]wire.Row, 0, rows),
	}
	network := func(bits uint8) netip.Addr {
		a := netip.AddrFrom4([4]byte{byte(random.UintN(256)), byte(random.UintN(100)), byte(random.UintN(10)), byte(random.UintN(256))})
		switch random.IntN(4) {
		case 0:
			a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(random.UintN(256)), 15: byte(random.UintN(256))})
		case 1:
			if random.IntN(9) == 0 {
				return netip.Addr{} // a folded row
			}
		}
		return wire.Network(a, bits)
	}
	sums := func() wire.Counters {
		c := wire.Counters{BytesReceived: random.Uint64(), BytesSent: random.Uint64N(9), PacketsReceived: random.Uint64N(3), Rejects: random.Uint64N(2), RoundTrips: math.MaxUint64}
		return c
	}
	for i := range rows {
		row := wire.Row{Counters: sums()}
		if !q.Merge || q.Has("iface") {
			row.Labels.Iface = fmt.Sprintf("eth%d", random.IntN(3))
		}
		if !q.Merge || q.Has("host") {
			row.Labels.Host = []string{"alpha", "", "<é\n", fmt.Sprint(random.IntN(30))}[random.IntN(4)]
		}
		if !q.Merge || q.Has("hostid") {
			row.Labels.HostID = []string{"7", ""}[random.IntN(2)]
		}
		labels := map[string]string{}
		for _, c := range q.Columns {
			if c.Label != "" {
				labels[c.Label] = []string{"acme", "", "Ä/b"}[random.IntN(3)]
			}
			switch c.Field.Name {
			case "time":
				row.Labels.Timestamp = start.Add(time.Duration(i) * time.Second)
			case "sip":
				row.Attributes.Source, row.Attributes.SourceBits = network(c.Prefix), c.Prefix
			case "dip":
				row.Attributes.Destination, row.Attributes.DestinationBits = network(c.Prefix), c.Prefix
			case "dport":
				row.Attributes.DestinationPort = uint16(random.Uint32())
			case "proto":
				row.Attributes.Protocol = flow.Protocol(random.Uint32())
			case "verdict":
				row.Attributes.Verdict = flow.VerdictNames()[random.IntN(4)]
			}
		}
		row.Labels.HostLabels = wire.HostLabelsFrom(labels)
		if q.Compares() {
			before := sums()
			row.Before = &before
		}
		if q.Seen {
			row.FirstSeen, row.LastSeen = start.Add(time.Duration(i)*time.Second), start.Add(time.Hour)
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

var requests = []wire.Request{
	{Query: "sip,dip,dport,proto"}, {Query: "raw,verdict", Merge: true}, {Query: "time,sip/24,dip/48", Merge: true},
	{Query: "sip/40,iface", First: "-1h", Compare: "1d", Merge: true}, {Query: "proto", Merge: true}, {Query: "time"}, {Query: "sip,host", Merge: true, Seen: true},
	{Query: "label.site,sip,label.company", Merge: true},
}

func TestReadIsTheInverseOfWrite(t *testing.T) {
	random := testenv.Random(t)
	for _, request := range requests {
		request.Ifaces = "any"
		q := prepare(t, request)
		for _, rows := range []int{0, 1, 100, batchRows + 7} {
			want := randomResult(random, q, rows)
			var b bytes.Buffer
			if err := Write(&b, q, want); err != nil {
				t.Fatal(err)
			}
			got, err := Read(bytes.NewReader(b.Bytes()), rows)
			if err != nil {
				t.Fatalf("%s, %d rows: %v", request.Query, rows, err)
			}
			if diff := cmp.Diff(want, got, compareAddresses); diff != "" {
				t.Fatalf("%s, %d rows: %s", request.Query, rows, diff)
			}
		}
	}
}

func TestSchema(t *testing.T) {
	q := prepare(t, wire.Request{Query: "time,sip/16,dip,dport,proto,verdict", Ifaces: "any", First: "-1h", Compare: "1w"})
	var b bytes.Buffer
	if err := Write(&b, q, randomResult(rand.New(rand.NewPCG(1, 1)), q, 3)); err != nil {
		t.Fatal(err)
	}
	in, err := ipc.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range in.Schema().Fields() {
		got = append(got, fmt.Sprintf("%s %s %t", f.Name, f.Type, f.Nullable))
	}
	dictionary := "dictionary<values=utf8, indices=int32, ordered=false> true"
	want := []string{"timestamp timestamp[us, tz=UTC] true", "iface " + dictionary, "host " + dictionary, "host_id " + dictionary,
		"sip/16 utf8 true", "dip utf8 true", "dport uint16 false", "proto uint8 false", "verdict " + dictionary}
	for _, prefix := range []string{"", "before_"} {
		for _, name := range []string{"br", "bs", "pr", "ps", "ca", "cc", "cr", "rtt_ns", "rtt_n"} {
			want = append(want, prefix+name+" uint64 false")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStreamHasAnEnd(t *testing.T) {
	q := prepare(t, wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any"})
	result := randomResult(rand.New(rand.NewPCG(2, 1)), q, 3*batchRows)
	var b bytes.Buffer
	if err := Write(&b, q, result); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(b.Bytes()), 2*batchRows); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("the limit on rows: %v", err)
	}
	for cut := 0; cut < b.Len(); cut += 1 + cut/7 {
		if _, err := Read(bytes.NewReader(b.Bytes()[:cut]), 1<<20); err == nil {
			t.Errorf("a stream that was cut after %d of %d bytes is taken", cut, b.Len())
		}
	}
	if _, err := Read(bytes.NewReader(b.Bytes()[:b.Len()-8]), 1<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream without its end: %v", err)
	}
	broken := errors.New("broken pipe")
	if err := Write(failing{broken}, q, result); !errors.Is(err, broken) {
		t.Errorf("Write: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func BenchmarkWrite(b *testing.B) {
	q := prepare(b, wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any"})
	result := randomResult(rand.New(rand.NewPCG(4, 1)), q, 1_000_000)
	for i := range result.Rows { // one host, three interfaces, a quarter of the addresses IPv6
		result.Rows[i].Labels.Host, result.Rows[i].Labels.HostID = "alpha", "5e6b2c9a-2c3a-4f0b-9a53-1d0e7f7b2a11"
	}
	var size counting
	if err := Write(&size, q, result); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	runtime.GC() // what making the rows left behind is no part of the figures
	done := testenv.ReportCPU(b)
	for b.Loop() {
		if err := Write(io.Discard, q, result); err != nil {
			b.Fatal(err)
		}
	}
	done()
}

type counting int

func (c *counting) Write(b []byte) (int, error) {
	*c += counting(len(b))
	return len(b), nil
}

func text4(a netip.Addr) string {
	var out [room4]byte
	return string(out[:put4(&out, a.As4())])
}

func text6(a netip.Addr) string {
	var out [room6]byte
	return string(out[:put6(&out, a)])
}

func TestPut4(t *testing.T) {
	for _, text := range []string{"0.0.0.0", "255.255.255.255", "1.20.134.9"} {
		if got := text4(netip.MustParseAddr(text)); got != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
}

func TestPut6(t *testing.T) {
	random := testenv.Random(t)
	for range 100_000 {
		var a [16]byte
		for i := range a {
			if i%2 == 1 || random.IntN(3) == 0 {
				a[i] = byte(random.Uint32N(256) * random.Uint32N(2))
			}
		}
		want := netip.AddrFrom16(a)
		if got := text6(want); got != want.String() {
			t.Fatalf("%s is written as %s", want, got)
		}
	}
	for _, text := range []string{"::", "::1", "1::", "::ffff:192.0.2.1", "1:0:1:0:1:0:1:0", "1:2:3:4:5:6:7:8", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0:0:1::"} {
		want := netip.MustParseAddr(text)
		if got := text6(want); got != want.String() {
			t.Errorf("%s is written as %s", want, got)
		}
	}
}
