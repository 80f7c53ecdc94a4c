package frames

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Details stand in the first frame's Meta.Custom: what each host did, and what the rows are part of. The panel
// inspector shows them in its JSON tab.
type Details struct {
	Hosts   map[string]wire.Status `json:"hosts"`
	First   time.Time              `json:"first,omitzero"` // start of the covered span
	Last    time.Time              `json:"last,omitzero"`  // end of the covered span
	Totals  wire.Counters          `json:"totals"`
	Hits    wire.Hits              `json:"hits"`
	Capture *wire.Accounting       `json:"capture,omitempty"`
	// StepSeconds is the length of a bin, in time series.
	StepSeconds float64 `json:"step_seconds,omitempty"`
}

// describe fills in what stands on the first frame of an answer.
func describe(frame *data.Frame, result *wire.Result, command string, step time.Duration) {
	summary := &result.Summary
	frame.Meta.ExecutedQueryString = command
	frame.Meta.Notices = Notices(result, step > 0)
	frame.Meta.Stats = stats(summary)
	frame.Meta.Custom = Details{
		Hosts:       result.HostsStatuses,
		First:       summary.TimeFirst,
		Last:        summary.TimeLast,
		Totals:      summary.Totals,
		Hits:        summary.Hits,
		Capture:     summary.Accounting,
		StepSeconds: step.Seconds(),
	}
}

// stats are the figures of the inspector's Stats tab.
func stats(summary *wire.Summary) []data.QueryStat {
	stat := func(name, unit string, value float64) data.QueryStat {
		return data.QueryStat{FieldConfig: data.FieldConfig{DisplayName: name, Unit: unit}, Value: value}
	}
	return []data.QueryStat{
		stat("Rows shown", unitCount, float64(summary.Hits.Displayed)),
		stat("Rows before the limit", unitCount, float64(summary.Hits.Total)),
		stat("Query time", "ns", float64(summary.Timings.Duration.Nanoseconds())),
		stat("Blocks read", unitCount, float64(summary.Stats.BlocksProcessed)),
		stat("Bytes read", unitBytes, float64(summary.Stats.BytesLoaded)),
	}
}
