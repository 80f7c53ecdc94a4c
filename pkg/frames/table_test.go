package frames

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

func TestTableGolden(t *testing.T) {
	const command = "weir query --server http://amsterdam:8145 sip,dip,dport,proto"
	four := columns(t, "sip", "dip", "dport", "proto")
	withOther := flows()
	withOther.Summary.Other = &wire.Other{Counters: counters(3_999_020, 996_520, 4_990, 2_965), Groups: 1201}
	raw := flows()
	for i := range raw.Rows {
		raw.Rows[i].Labels = wire.Labels{Timestamp: after(5 * i), Host: "amsterdam", Iface: "eth0"}
	}
	nothing := &wire.Result{
		Status:        wire.Status{Code: wire.CodeEmpty},
		HostsStatuses: map[string]wire.Status{"amsterdam": {Code: wire.CodeEmpty, State: wire.StateEmpty}},
	}
	for _, test := range []struct {
		name   string
		table  Table
		result *wire.Result
	}{
		{"table", Table{Columns: four, Direction: wire.DirectionBoth, Value: Bytes}, flows()},
		{"table_packets_other", Table{Columns: four, Direction: wire.DirectionBoth, Value: Packets}, withOther},
		{"table_in", Table{Columns: four[:1], Direction: wire.DirectionIn, Value: Bytes}, flows()},
		{"table_out_packets", Table{Columns: four[2:], Direction: wire.DirectionOut, Value: Packets}, flows()},
		{"table_alert", Table{Columns: four, Direction: wire.DirectionBoth, Value: Bytes, Single: true}, withOther},
		{"table_time", Table{Columns: columns(t, "time", "host", "iface", "sip"), Direction: wire.DirectionBoth, Value: Bytes}, raw},
		{"table_empty", Table{Columns: four, Direction: wire.DirectionBoth, Value: Bytes}, nothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden(t, test.name, described(test.table.Frames(test.result), test.result, command, 0))
		})
	}
}

// TestAlertTableHasOneNumber: an alert rule takes numeric-long with exactly one numeric column.
func TestAlertTableHasOneNumber(t *testing.T) {
	for _, direction := range []wire.Direction{wire.DirectionBoth, wire.DirectionIn, wire.DirectionOut} {
		for _, value := range []Value{Bytes, Packets} {
			table := Table{Columns: columns(t, "sip", "dport", "proto"), Direction: direction, Value: value, Single: true}
			frame := table.Frames(flows())[0]
			var numbers []string
			for _, f := range frame.Fields {
				if f.Type().Numeric() {
					numbers = append(numbers, f.Name)
				} else if f.Type() != data.FieldTypeString {
					t.Errorf("%s %s: dimension %s has type %s", direction, value, f.Name, f.Type())
				}
			}
			want := map[wire.Direction]string{wire.DirectionBoth: "", wire.DirectionIn: "_received", wire.DirectionOut: "_sent"}
			if diff := cmp.Diff([]string{string(value) + want[direction]}, numbers); diff != "" {
				t.Errorf("%s %s: numeric columns (-want +got):\n%s", direction, value, diff)
			}
		}
	}
}

func TestTableKeepsCountersExact(t *testing.T) {
	const odd = 1<<53 + 1 // not a float64
	result := flows()
	result.Rows[0].Counters = counters(odd, 0, 0, 0)
	frame := Table{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Bytes}.Frames(result)[0]
	field, _ := frame.FieldByName("bytes_received")
	if got := field.At(0); got != uint64(odd) {
		t.Errorf("bytes_received = %v (%T), want %d as uint64", got, got, uint64(odd))
	}
}

func TestTableOnlyOffersFiltersThatConditionsKnow(t *testing.T) {
	result := flows()
	frame := Table{Columns: columns(t, "host", "iface", "sip"), Direction: wire.DirectionBoth, Value: Bytes}.Frames(result)[0]
	got := map[string]bool{}
	for _, f := range frame.Fields {
		got[f.Name] = f.Config.Filterable != nil && *f.Config.Filterable
	}
	for _, c := range columns(t, "host", "iface", "sip") {
		if got[c.Name] != c.Field.Filter {
			t.Errorf("%s filterable = %t, the condition language says %t", c.Name, got[c.Name], c.Field.Filter)
		}
	}
	if got["bytes"] || got["share"] {
		t.Error("numbers are filterable")
	}
}

func TestShareOfNothingIsZero(t *testing.T) {
	result := flows()
	result.Summary.Totals = wire.Counters{}
	frame := Table{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Bytes}.Frames(result)[0]
	field, _ := frame.FieldByName("share")
	if got := field.At(0); got != 0.0 {
		t.Errorf("share = %v, want 0", got)
	}
}
