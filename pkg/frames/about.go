package frames

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// About is what stands on the first frame of an answer, whatever its type.
type About struct {
	Result *wire.Result
	// Command is the command line that gives the same answer; empty: there is none.
	Command string
	// First and Last bound the time that was asked for; zero: the answer has no such bounds.
	First, Last time.Time
	// Step is the length of a bin, in time series.
	Step time.Duration
	// Remarks are what the asker has to know beside the result, in the order of their weight, one sentence each.
	Remarks []string
	// Covered says that the remarks tell what the data cover, and what is cut off.
	Covered bool
	// Done and Total count the hosts whose answers are in the frames; both 0: all of them.
	Done, Total int
}

// Details stand in the first frame's Meta.Custom: what each host did, and what the rows are part of. The panel
// inspector shows them in its JSON tab, and the front end reads from Done and Total when a stream is complete.
type Details struct {
	Hosts   map[string]wire.Status `json:"hosts"`
	First   time.Time              `json:"first,omitzero"` // start of the covered span
	Last    time.Time              `json:"last,omitzero"`  // end of the covered span
	Totals  wire.Counters          `json:"totals"`
	Hits    wire.Hits              `json:"hits"`
	Capture *wire.Accounting       `json:"capture,omitempty"`
	// StepSeconds is the length of a bin, in time series.
	StepSeconds float64 `json:"step_seconds,omitempty"`
	TraceID     string  `json:"trace_id,omitempty"`
	Done        int     `json:"done"`
	Total       int     `json:"total"`
	// Error ends a stream that failed.
	Error string `json:"error,omitempty"`
}

// Describe writes it onto the first frame of an answer.
func (a About) Describe(list data.Frames) {
	if len(list) == 0 || a.Result == nil {
		return
	}
	frame := list[0]
	if frame.Meta == nil {
		frame.Meta = &data.FrameMeta{}
	}
	summary := &a.Result.Summary
	if a.Total == 0 {
		a.Total = len(a.Result.HostsStatuses)
		a.Done = a.Total
	}
	frame.Meta.ExecutedQueryString = a.Command
	frame.Meta.Notices = a.notices()
	frame.Meta.Stats = stats(summary)
	frame.Meta.Custom = Details{
		Hosts:       a.Result.HostsStatuses,
		First:       summary.TimeFirst,
		Last:        summary.TimeLast,
		Totals:      summary.Totals,
		Hits:        summary.Hits,
		Capture:     summary.Accounting,
		StepSeconds: a.Step.Seconds(),
		TraceID:     summary.TraceID,
		Done:        a.Done,
		Total:       a.Total,
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
