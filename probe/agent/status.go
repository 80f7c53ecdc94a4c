package agent

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/probe/meter"
)

// Status is the answer of GET /status: goProbe's members, and what it lacks beside them. Reading it changes nothing.
type Status struct {
	StatusCode    int                        `json:"status_code"`
	LastWriteout  time.Time                  `json:"last_writeout"`
	StartedAt     time.Time                  `json:"started_at"`
	Statuses      map[string]InterfaceStatus `json:"statuses"`
	Host          string                     `json:"host"`
	HostID        string                     `json:"host_id"`
	Interval      time.Duration              `json:"interval_ns"`
	StoreWrites   uint64                     `json:"store_writes"`
	StoreFailures uint64                     `json:"store_failures"`
	StoreBytes    uint64                     `json:"store_bytes_written"`
	Store         StoreStatus                `json:"store"`
}

// InterfaceStatus is the state of one interface. The counters without total are those of the current interval.
type InterfaceStatus struct {
	StartedAt      time.Time `json:"started_at"`
	Received       uint64    `json:"received"`
	ReceivedTotal  uint64    `json:"received_total"`
	Processed      uint64    `json:"processed"`
	ProcessedTotal uint64    `json:"processed_total"`
	Dropped        uint64    `json:"dropped"`
	DroppedTotal   uint64    `json:"dropped_total"`
	// ParsingErrors are goProbe's three: fragments (always 0 here: they are metered), invalid header, truncated.
	ParsingErrors [3]uint64 `json:"parsing_errors"`

	Capturing        bool              `json:"capturing"`
	Reason           string            `json:"reason,omitempty"` // why it is not captured now
	Issues           map[string]uint64 `json:"issues,omitempty"` // packets not metered since the start, by reason
	Flows            int               `json:"flows"`
	FoldedTotal      uint64            `json:"folded_total"`
	Waiting          int               `json:"waiting_intervals"`
	Condensed        uint64            `json:"condensed_intervals,omitempty"` // reduced to sums by protocol, see meter
	SinkError        string            `json:"store_error,omitempty"`
	CheckpointAt     time.Time         `json:"checkpoint_at,omitzero"`
	CheckpointPeriod time.Duration     `json:"checkpoint_period_ns,omitempty"`
	CheckpointError  string            `json:"checkpoint_error,omitempty"`
	First            time.Time         `json:"first,omitzero"` // of the stored data
	Last             time.Time         `json:"last,omitzero"`
}

// Status of the interfaces named, of all without names.
func (a *Agent) Status(names ...string) Status {
	writes := a.store.WriteStats()
	s := Status{StatusCode: http.StatusOK, StartedAt: a.started.UTC(), Statuses: map[string]InterfaceStatus{},
		Host: a.host, HostID: a.hostID, Interval: a.cfg.Meter.Interval,
		StoreWrites: writes.Blocks, StoreFailures: writes.Failures, StoreBytes: writes.Bytes,
		Store: storeStatus(a.store.Health())}
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	for name, m := range a.meters {
		state := m.state()
		totals := m.totals(state)
		if totals.lastWrite.After(s.LastWriteout) {
			s.LastWriteout = totals.lastWrite.UTC()
		}
		if len(names) == 0 || slices.Contains(names, name) {
			s.Statuses[name] = a.interfaceStatus(name, m.err, state, totals)
		}
	}
	return s
}

func (a *Agent) interfaceStatus(name string, notRunning error, state meter.Status, totals totals) InterfaceStatus {
	total := totals.accounting
	i := InterfaceStatus{
		StartedAt: state.Started.UTC(),
		Received:  state.Current.Received, ReceivedTotal: total.Received,
		Processed: state.Current.Metered, ProcessedTotal: total.Metered,
		Dropped: state.Current.Dropped, DroppedTotal: total.Dropped,
		ParsingErrors: [3]uint64{0, total.Issues[flow.IssueInvalidHeader], total.Issues[flow.IssueTruncated]},
		Capturing:     notRunning == nil,
		Issues:        issues(total),
		Flows:         state.Flows, FoldedTotal: totals.folded,
		Waiting: state.Waiting, Condensed: totals.condensed, SinkError: state.SinkError,
		CheckpointAt: state.Checkpoint.Last, CheckpointPeriod: state.Checkpoint.Period, CheckpointError: state.Checkpoint.Error,
	}
	if notRunning != nil {
		i.Reason = notRunning.Error()
	}
	if first, last, err := a.store.Coverage(name); err == nil && last != 0 {
		i.First, i.Last = time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
	}
	return i
}

func issues(a flow.Accounting) map[string]uint64 {
	found := map[string]uint64{}
	for i, n := range a.Issues {
		if n > 0 {
			found[flow.Issue(i).String()] = n
		}
	}
	return found
}

// Routes are what only a probe serves.
func (a *Agent) Routes() []serve.Route {
	status := http.HandlerFunc(a.serveStatus)
	return []serve.Route{
		{Pattern: "GET /status", Role: serve.RoleQuery, Handler: status},
		{Pattern: "GET /status/{iface}", Role: serve.RoleQuery, Handler: status},
	}
}

// serveStatus answers like goProbe: interfaces by path or by the parameter ifaces, each a list with commas; 204
// without a body where none of them is known.
func (a *Agent) serveStatus(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, list := range append(r.URL.Query()["ifaces"], r.PathValue("iface")) {
		for name := range strings.SplitSeq(list, ",") {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	status := a.Status(names...)
	if len(names) > 0 && len(status.Statuses) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := json.Marshal(status)
	if err != nil {
		http.Error(w, "the status cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // the caller is gone if it fails
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
