package frames

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Debug is the frame on what each host did for an answer, the slowest first. It is a table that no alert rule and no
// panel takes for data: its name is "debug".
func Debug(result *wire.Result) *data.Frame {
	names := slices.SortedStableFunc(maps.Keys(result.HostsStatuses), func(a, b string) int {
		return cmp.Or(cmp.Compare(result.HostsStatuses[b].DurationNanoseconds, result.HostsStatuses[a].DurationNanoseconds), cmp.Compare(a, b))
	})
	n := len(names)
	states, reasons := make([]string, n), make([]string, n)
	durations, rows, read := make([]int64, n), make([]int64, n), make([]uint64, n)
	for i, name := range names {
		status := result.HostsStatuses[name]
		states[i], reasons[i] = string(StateOf(status)), OneLine(status.Message)
		durations[i], rows[i], read[i] = status.DurationNanoseconds, status.Rows, status.BytesScanned
	}
	frame := data.NewFrame("debug",
		column("host", "Host", "", names), column("state", "State", "", states), column("reason", "Reason", "", reasons),
		column("duration", "Duration", unitNanos, durations), column("rows", "Rows", unitCount, rows),
		column("bytes_scanned", "Bytes scanned", unitBytes, read),
	)
	frame.SetMeta(meta(data.FrameTypeTable))
	return frame
}

// column is a field with its heading and unit.
func column[T any](name, title, unit string, values []T) *data.Field {
	return data.NewField(name, nil, values).SetConfig(&data.FieldConfig{DisplayNameFromDS: title, Unit: unit})
}

// moments are nullable times: zero ones are null.
func moments(times []time.Time) []*time.Time {
	list := make([]*time.Time, len(times))
	for i, t := range times {
		if !t.IsZero() {
			list[i] = &t
		}
	}
	return list
}
