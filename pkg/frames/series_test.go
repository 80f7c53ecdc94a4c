package frames

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

const step = 5 * time.Minute

// bins5 is an answer in bins of 5 minutes: the bin that ends at 12:15 is not covered, the last one for a minute
// only; the second talker has traffic in one bin.
func bins5() *wire.Result {
	at := func(minutes int, row wire.Row) wire.Row {
		row.Labels.Timestamp = after(minutes)
		return row
	}
	first := func(c wire.Counters) wire.Row { return talk("10.0.0.1", "192.0.2.10", 443, flow.TCP, c) }
	second := talk("10.0.0.2", "192.0.2.10", 53, flow.UDP, counters(3_000, 0, 30, 0))
	return &wire.Result{
		Status: wire.Status{Code: wire.CodeOK},
		HostsStatuses: map[string]wire.Status{
			"amsterdam": {Code: wire.CodeOK, State: wire.StateOK},
			"berlin":    {Code: wire.CodeError, State: wire.StateError, Message: "connection refused"},
		},
		Summary: wire.Summary{
			TimeFirst: noon, TimeLast: after(21),
			Totals: counters(90_000, 45_000, 900, 450),
			Hits:   wire.Hits{Displayed: 2, Total: 7},
			Coverage: []wire.BinCoverage{
				{Timestamp: after(5), Seconds: 300}, {Timestamp: after(10), Seconds: 300},
				{Timestamp: after(20), Seconds: 300}, {Timestamp: after(25), Seconds: 60},
			},
			Other: &wire.Other{
				Counters: counters(1_500, 750, 15, 5), Groups: 5,
				Bins: []wire.OtherBin{{Timestamp: after(10), Counters: counters(1_500, 750, 15, 5)}},
			},
		},
		Rows: []wire.Row{
			at(5, first(counters(37_500, 15_000, 300, 150))),
			at(10, first(counters(37_500, 22_500, 300, 200))),
			at(10, second),
			at(25, first(counters(7_500, 3_750, 90, 30))),
		},
	}
}

func TestSeriesGolden(t *testing.T) {
	const command = "weir query --server http://amsterdam:8145 time,sip"
	four := columns(t, "sip", "dip", "dport", "proto")
	noOther := bins5()
	noOther.Summary.Other = nil
	total := bins5()
	total.Summary.Other = nil
	for i := range total.Rows {
		total.Rows[i].Attributes = wire.Attributes{}
		total.Rows[i].Labels.Host, total.Rows[i].Labels.Iface = "amsterdam", fmt.Sprint("eth", i) // not asked for
	}
	yesterday := bins5()
	yesterday.Summary.Other, yesterday.Rows = nil, yesterday.Rows[:2]
	for i := range yesterday.Rows {
		yesterday.Rows[i].Labels.Timestamp = yesterday.Rows[i].Labels.Timestamp.AddDate(0, 0, -1)
		yesterday.Rows[i].Counters = counters(uint64(i+1)*3_000, 1_500, 30, 15)
	}
	nothing := &wire.Result{HostsStatuses: map[string]wire.Status{"amsterdam": {Code: wire.CodeMissingData, State: wire.StateNoData}}}
	for _, test := range []struct {
		name   string
		series Series
		result *wire.Result
	}{
		{"series_mirrored", Series{Columns: four, Direction: wire.DirectionBoth, Value: Bytes, Rate: true, Mirror: true, Step: step}, bins5()},
		{"series_packets_total", Series{Columns: four[:1], Direction: wire.DirectionIn, Value: Packets, Step: step}, noOther},
		{"series_everything", Series{Direction: wire.DirectionBoth, Value: Packets, Rate: true, Mirror: true, Step: step}, total},
		{"series_compared", Series{Columns: four, Direction: wire.DirectionBoth, Value: Bytes, Rate: true, Step: step, Before: yesterday, Shift: 24 * time.Hour, Ago: "1d"}, noOther},
		{"series_empty", Series{Columns: four, Direction: wire.DirectionOut, Value: Bytes, Rate: true, Step: step}, nothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden(t, test.name, described(test.series.Frames(test.result), test.result, command, step))
		})
	}
}

// points lists the values of a series by minute after noon.
func points(frame *data.Frame, series int) map[int]any {
	got := map[int]any{}
	for i := range frame.Fields[0].Len() {
		end := frame.Fields[0].At(i).(time.Time)
		got[int(end.Sub(noon).Minutes())] = frame.Fields[1+series].At(i)
	}
	return got
}

// one is the frame of a series.
func one(t *testing.T, list data.Frames) *data.Frame {
	t.Helper()
	if len(list) != 1 || list[0].Meta.Type != data.FrameTypeTimeSeriesWide {
		t.Fatalf("%d frames, want one of type timeseries-wide", len(list))
	}
	return list[0]
}

func TestSeriesGapsAndZeros(t *testing.T) {
	frame := one(t, Series{Columns: columns(t, "sip"), Direction: wire.DirectionIn, Value: Bytes, Rate: true, Step: step}.Frames(bins5()))
	want := []map[int]any{
		{5: 1000.0, 10: 1000.0, 20: 0.0, 25: 1000.0}, // no traffic until 12:20: zero; nothing known until 12:15: no point
		{5: 0.0, 10: 80.0, 20: 0.0, 25: 0.0},
		{5: 0.0, 10: 40.0, 20: 0.0, 25: 0.0}, // the remainder
	}
	for i := range want {
		if diff := cmp.Diff(want[i], points(frame, i)); diff != "" {
			t.Errorf("series %d (-want +got):\n%s", i, diff)
		}
	}
	if got := frame.Fields[0].Config.Interval; got != 300_000 {
		t.Errorf("interval of the time field = %v ms, want 300000", got)
	}
}

// TestSeriesAverage: all that was counted by all seconds that are covered, whatever the gaps.
func TestSeriesAverage(t *testing.T) {
	frame := one(t, Series{Columns: columns(t, "sip"), Direction: wire.DirectionIn, Value: Bytes, Average: true, Step: step}.Frames(bins5()))
	mean := 8 * (37_500 + 37_500 + 7_500.0) / (3*300 + 60)
	for minute, got := range points(frame, 0) {
		if got != mean {
			t.Errorf("minute %d: %v, want %v", minute, got, mean)
		}
	}
	if unit := frame.Fields[1].Config.Unit; unit != unitBits {
		t.Errorf("unit %s", unit)
	}
}

func TestSeriesOfBothDirectionsWithoutMirror(t *testing.T) {
	frame := one(t, Series{Columns: columns(t, "sip"), Direction: wire.DirectionBoth, Value: Packets, Step: step}.Frames(bins5()))
	want := map[int]any{5: uint64(450), 10: uint64(500), 20: uint64(0), 25: uint64(120)}
	if diff := cmp.Diff(want, points(frame, 0)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	if name := frame.Fields[1].Config.DisplayNameFromDS; name != "10.0.0.1" {
		t.Errorf("name %q", name)
	}
}

// TestSeriesBefore: the same groups earlier, moved onto the present bins; what is not drawn now is left out.
func TestSeriesBefore(t *testing.T) {
	before := bins5()
	for i := range before.Rows {
		before.Rows[i].Labels.Timestamp = before.Rows[i].Labels.Timestamp.Add(-24 * time.Hour)
	}
	before.Rows[1].Labels.Timestamp = after(15 - 24*60)                      // not covered now
	before.Rows[2].Attributes.Source = before.Rows[2].Attributes.Destination // not one of the groups
	frame := one(t, Series{
		Columns: columns(t, "sip"), Direction: wire.DirectionIn, Value: Packets, Step: step,
		Before: before, Shift: 24 * time.Hour, Ago: "1d",
	}.Frames(bins5()))
	want := []map[int]any{
		{5: uint64(300), 10: uint64(300), 20: uint64(0), 25: uint64(90)},
		{5: uint64(300), 10: uint64(0), 20: uint64(0), 25: uint64(90)},
		{5: uint64(0), 10: uint64(30), 20: uint64(0), 25: uint64(0)},
		{5: uint64(0), 10: uint64(0), 20: uint64(0), 25: uint64(0)},
	}
	for i := range want {
		if diff := cmp.Diff(want[i], points(frame, i)); diff != "" {
			t.Errorf("series %d (-want +got):\n%s", i, diff)
		}
	}
	if f := frame.Fields[2]; f.Config.DisplayNameFromDS != "10.0.0.1 (1d earlier)" || f.Labels["compare"] != "1d" {
		t.Errorf("earlier series %q %v", f.Config.DisplayNameFromDS, f.Labels)
	}
}

func TestSeriesWithoutReportedCoverage(t *testing.T) {
	result := bins5()
	result.Summary.Coverage = nil
	frame := one(t, Series{Columns: columns(t, "sip"), Direction: wire.DirectionIn, Value: Bytes, Rate: true, Step: step}.Frames(result))
	want := map[int]any{5: 1000.0, 10: 1000.0, 25: 1000.0} // bins with a row; the last one ends with the span, after a minute
	if diff := cmp.Diff(want, points(frame, 0)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func TestSeriesIdentity(t *testing.T) {
	for _, direction := range []wire.Direction{wire.DirectionBoth, wire.DirectionIn, wire.DirectionOut} {
		frame := one(t, Series{Columns: columns(t, "sip", "dport"), Direction: direction, Value: Bytes, Rate: true, Mirror: true, Step: step}.Frames(bins5()))
		seen := map[string]bool{}
		for _, value := range frame.Fields[1:] {
			id := value.Labels.String()
			if seen[id] {
				t.Errorf("%s: labels %s twice, alert rules refuse that", direction, id)
			}
			seen[id] = true
			if value.Config.DisplayNameFromDS == "" {
				t.Errorf("%s: series %s has no name", direction, id)
			}
			mirrored := value.Config.Custom["transform"] == "negative-Y"
			if want := direction == wire.DirectionBoth && value.Labels["direction"] == "out"; mirrored != want {
				t.Errorf("%s: series %s mirrored = %t, want %t", direction, id, mirrored, want)
			}
		}
	}
}

func TestSeriesLargestFirst(t *testing.T) {
	result := bins5()
	result.Rows[2].Counters = counters(1_000_000, 0, 0, 0)
	frame := one(t, Series{Columns: columns(t, "sip"), Direction: wire.DirectionIn, Value: Bytes, Step: step}.Frames(result))
	var names []string
	for _, f := range frame.Fields[1:] {
		names = append(names, f.Config.DisplayNameFromDS)
	}
	if diff := cmp.Diff([]string{"10.0.0.2", "10.0.0.1", "Other"}, names); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestOverlapIsNeverEmpty(t *testing.T) {
	for _, test := range []struct {
		name    string
		summary wire.Summary
		want    float64
	}{
		{"no span", wire.Summary{}, 300},
		{"starts within", wire.Summary{TimeFirst: after(4)}, 60},
		{"ends within", wire.Summary{TimeFirst: noon, TimeLast: after(1)}, 60},
		{"elsewhere", wire.Summary{TimeFirst: after(100), TimeLast: after(200)}, 300},
	} {
		if got := overlap(after(5), step, &test.summary); got != test.want {
			t.Errorf("%s: %v s, want %v", test.name, got, test.want)
		}
	}
}

// fiftySeries is an answer of 50 groups in 1,000 bins.
func fiftySeries() *wire.Result {
	result := &wire.Result{}
	for bin := range 1000 {
		for group := range 50 {
			row := talk("10.0.0.1", "192.0.2.10", uint16(group), flow.TCP, counters(1000, 1000, 1, 1))
			row.Labels.Timestamp = after(5 * bin)
			result.Rows = append(result.Rows, row)
		}
	}
	return result
}

func BenchmarkSeries(b *testing.B) {
	result := fiftySeries()
	series := Series{Columns: columns(b, "sip", "dip", "dport", "proto"), Direction: wire.DirectionIn, Value: Bytes, Rate: true, Step: step}
	b.ReportAllocs()
	for b.Loop() {
		if got := len(series.Frames(result)[0].Fields) - 1; got != 50 {
			b.Fatalf("%d series", got)
		}
	}
}
