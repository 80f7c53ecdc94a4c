package frames

import (
	"net/netip"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// sent makes of frames what crosses over to Grafana.
func sent(b *testing.B, list data.Frames) {
	b.Helper()
	for _, frame := range list {
		if _, err := frame.MarshalArrow(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTable is all that is done with an answer of 10,000 rows: the frame, what is said of it, and its Arrow form.
func BenchmarkTable(b *testing.B) {
	result := &wire.Result{HostsStatuses: map[string]wire.Status{"a": {Code: wire.CodeOK}}}
	for i := range 10_000 {
		row := talk("10.0.0.1", "192.0.2.10", uint16(i), flow.TCP, counters(uint64(i)*1000, 1000, 1, 1))
		row.Attributes.Source = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		result.Rows = append(result.Rows, row)
	}
	table := Table{Columns: columns(b, "sip", "dip", "dport", "proto"), Direction: wire.DirectionBoth, Value: Bytes, Links: everywhere}
	b.ReportAllocs()
	for b.Loop() {
		list := table.Frames(result)
		About{Result: result, Command: "weir query"}.Describe(list)
		sent(b, list)
	}
}

// BenchmarkSeriesSent is all that is done with an answer of 50 series of 1,000 points.
func BenchmarkSeriesSent(b *testing.B) {
	result := fiftySeries()
	series := Series{Columns: columns(b, "sip", "dip", "dport", "proto"), Direction: wire.DirectionBoth, Value: Bytes, Rate: true, Step: step}
	b.ReportAllocs()
	for b.Loop() {
		list := series.Frames(result)
		About{Result: result, Command: "weir query", Step: step}.Describe(list)
		sent(b, list)
	}
}
