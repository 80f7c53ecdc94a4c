package render

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// BenchmarkText shows many rows to nobody.
func BenchmarkText(b *testing.B) {
	request := wire.Request{Query: "time,iface,sip,dip,dport,proto", Ifaces: "any", First: "1", Last: "2000000000"}
	q, err := request.Prepare(time.Unix(1_800_000_000, 0).UTC())
	if err != nil {
		b.Fatal(err)
	}
	const rows = 10_000
	r := &wire.Result{Summary: wire.Summary{Interfaces: []string{"eth0", "eth1"}}}
	for i := range rows {
		c := flow.Counters{BytesReceived: uint64(i) * 1000, BytesSent: uint64(i), PacketsReceived: uint64(i), PacketsSent: 7}
		row := wire.Row{Counters: wire.CountersFrom(c)}
		row.Labels.Timestamp, row.Labels.Iface = time.Unix(1_700_000_000+int64(i)*300, 0), "eth0"
		row.Attributes.Source, row.Attributes.Destination = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), netip.AddrFrom4([4]byte{8, 8, 8, byte(i)})
		row.Attributes.DestinationPort, row.Attributes.Protocol = uint16(i), flow.TCP
		r.Rows = append(r.Rows, row)
	}
	view := View{Query: q, Zone: time.UTC}
	b.ReportAllocs()
	for b.Loop() {
		if err := view.Text(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
