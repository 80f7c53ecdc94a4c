package agent

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/natshttp"
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
	NATS          *natshttp.Status           `json:"nats,omitempty"` // of the connection, where one is configured
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

	Parent           string            `json:"parent,omitempty"` // the interface it is derived from
	Capturing        bool              `json:"capturing"`
	Reason           string            `json:"reason,omitempty"` // why it is not captured now
	Issues           map[string]uint64 `json:"issues,omitempty"` // packets not metered since the start, by reason
	Flows            int               `json:"flows"`
	Link             string            `json:"link,omitempty"`             // how frames of the interface start
	Memory           int               `json:"memory_bytes"`               // of the flow table
	Frozen           uint64            `json:"ring_frozen_total"`          // times the capture ring was full
	RingFill         *float64          `json:"ring_fill,omitempty"`        // part of it that waits to be read
	Workers          int               `json:"workers,omitempty"`          // that share its frames
	Unassigned       uint64            `json:"unassigned_total,omitempty"` // see meter_unassigned_packets_total
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
	if a.deps.NATS != nil {
		connection := a.deps.NATS()
		s.NATS = &connection
	}
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	for name, m := range a.meters {
		for of, state := range m.states(name) {
			totals := m.totals(state)
			if totals.lastWrite.After(s.LastWriteout) {
				s.LastWriteout = totals.lastWrite.UTC()
			}
			if len(names) == 0 || slices.Contains(names, of) {
				one := a.interfaceStatus(of, m.err, state, totals)
				if state.Parent == "" && len(m.meters) > 1 {
					one.Workers = len(m.meters)
				}
				s.Statuses[of] = one
			}
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
		Parent:        state.Parent, Link: state.Link,
		Flows: state.Flows, FoldedTotal: totals.folded, Memory: state.Memory,
		Frozen: totals.frozen, Unassigned: totals.unassigned,
		Waiting: state.Waiting, Condensed: totals.condensed, SinkError: state.SinkError,
		CheckpointAt: state.Checkpoint.Last, CheckpointPeriod: state.Checkpoint.Period, CheckpointError: state.Checkpoint.Error,
	}
	if state.RingFill >= 0 && state.Parent == "" {
		i.RingFill = &state.RingFill
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
	return append(configRoutes(a),
		serve.Route{Pattern: "GET /status", Role: serve.RoleQuery, Handler: status},
		serve.Route{Pattern: "GET /status/{iface}", Role: serve.RoleQuery, Handler: status})
}

// serveStatus answers like goProbe: interfaces by path or by the parameter ifaces, each a list with commas; 204
// without a body where none of them is known.
func (a *Agent) serveStatus(w http.ResponseWriter, r *http.Request) {
	names := namedInterfaces(r)
	status := a.Status(names...)
	if len(names) > 0 && len(status.Statuses) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	serve.WriteJSON(w, status)
}

// namedInterfaces are those of the path and of the parameter ifaces, each a list with commas.
func namedInterfaces(r *http.Request) (names []string) {
	for _, list := range append(r.URL.Query()["ifaces"], r.PathValue("iface")) {
		for name := range strings.SplitSeq(list, ",") {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
