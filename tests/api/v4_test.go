//go:build linux

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// What goProbe's own clients make of an answer: strict about types, indifferent to members they do not know. One value
// that does not suit fails the whole answer there. Member names are theirs.
type (
	v4Result struct {
		Hostname string              `json:"hostname"`
		Status   v4Status            `json:"status"`
		Hosts    map[string]v4Status `json:"hosts_statuses"`
		Summary  struct {
			Interfaces []string   `json:"interfaces"`
			First      time.Time  `json:"time_first"`
			Last       time.Time  `json:"time_last"`
			Totals     v4Counters `json:"totals"`
			Timings    struct {
				Start    time.Time     `json:"query_start"`
				Duration time.Duration `json:"query_duration_ns"`
			} `json:"timings"`
			Hits struct {
				Displayed int `json:"displayed"`
				Total     int `json:"total"`
			} `json:"hits"`
			DataAvailable bool              `json:"data_available"`
			Stats         map[string]uint64 `json:"stats"`
		} `json:"summary"`
		Query struct {
			Attributes []string `json:"attributes"`
			Condition  string   `json:"condition"`
		} `json:"query"`
		Rows []v4Row `json:"rows"`
	}
	v4Status struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	v4Row struct {
		Labels struct {
			Time   *time.Time `json:"timestamp"`
			Iface  string     `json:"iface"`
			Host   string     `json:"host"`
			HostID string     `json:"host_id"`
		} `json:"labels"`
		Attributes struct {
			Source      *netip.Addr `json:"sip"`
			Destination *netip.Addr `json:"dip"`
			Protocol    uint8       `json:"proto"`
			Port        uint16      `json:"dport"`
		} `json:"attributes"`
		Counters v4Counters `json:"counters"`
	}
	v4Counters struct {
		BytesReceived   uint64 `json:"br"`
		BytesSent       uint64 `json:"bs"`
		PacketsReceived uint64 `json:"pr"`
		PacketsSent     uint64 `json:"ps"`
	}
)

// v4Question is what of a request decides what its answer may be.
type v4Question struct {
	Query      string
	NumResults int64  `json:"num_results"`
	SortBy     string `json:"sort_by"`
	Ascending  bool   `json:"sort_ascending"`
	In, Out    bool
	Sum        bool
}

// readV4 decodes an answer as goProbe's clients do.
func readV4(text []byte) (*v4Result, error) {
	var r v4Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	var raw struct {
		Hosts json.RawMessage `json:"hosts_statuses"`
		Rows  json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(raw.Hosts, []byte("{")) || !bytes.HasPrefix(raw.Rows, []byte("[")) {
		return nil, fmt.Errorf("hosts_statuses is %.20s, rows is %.20s", raw.Hosts, raw.Rows)
	}
	return &r, nil
}

// check says what is wrong with an answer for somebody who asked that question.
func (r *v4Result) check(q v4Question) error {
	switch r.Status.Code {
	case "ok", "empty", "missing data":
	default:
		return fmt.Errorf("status %q", r.Status.Code)
	}
	if (len(r.Rows) > 0) != (r.Status.Code == "ok") {
		return fmt.Errorf("status %q with %d rows", r.Status.Code, len(r.Rows))
	}
	// global-query merges by these keys, and loses a sensor that has none.
	if len(r.Hosts) != 1 || r.Hosts["alpha"].Code != "ok" {
		return fmt.Errorf("hosts_statuses %v", r.Hosts)
	}
	if n := int64(len(r.Rows)); n > q.NumResults || r.Summary.Hits.Displayed != len(r.Rows) || r.Summary.Hits.Total < len(r.Rows) {
		return fmt.Errorf("%d rows of %d asked for, hits %+v", n, q.NumResults, r.Summary.Hits)
	}
	for i := range r.Rows {
		if err := r.Rows[i].check(q); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		if q.SortBy == "time" || strings.Contains(q.Query, "time") || i == 0 {
			continue
		}
		if before, after := r.Rows[i-1].weight(q), r.Rows[i].weight(q); before != after && before < after != q.Ascending {
			return fmt.Errorf("row %d with %d stands before one with %d", i-1, before, after)
		}
	}
	return nil
}

func (r *v4Row) check(q v4Question) error {
	if r.Labels.Iface == "" || r.Labels.Host != "alpha" || r.Labels.HostID == "" {
		return fmt.Errorf("labels %+v", r.Labels)
	}
	columns := map[string]bool{}
	for c := range strings.SplitSeq(q.Query, ",") {
		columns[strings.TrimSpace(c)] = true
	}
	if columns["time"] != (r.Labels.Time != nil) {
		return fmt.Errorf("time %v", r.Labels.Time)
	}
	if (columns["sip"] || columns["src"]) != (r.Attributes.Source != nil) || (columns["dip"] || columns["dst"]) != (r.Attributes.Destination != nil) {
		return fmt.Errorf("addresses %v, %v", r.Attributes.Source, r.Attributes.Destination)
	}
	return nil
}

// weight is what rows are ranked by.
func (r *v4Row) weight(q v4Question) uint64 {
	received, sent := r.Counters.BytesReceived, r.Counters.BytesSent
	if q.SortBy == "packets" {
		received, sent = r.Counters.PacketsReceived, r.Counters.PacketsSent
	}
	switch {
	case q.Sum:
	case q.In && !q.Out:
		return received
	case q.Out && !q.In:
		return sent
	}
	return received + sent
}

// v4Events reads a stream as goProbe's clients do: lines, "event: NAME" directly before "data: JSON", line feeds only.
// They stop at finalResult; here nothing may follow it.
func v4Events(text string) (names, data []string, err error) {
	if strings.Contains(text, "\r") {
		return nil, nil, fmt.Errorf("a carriage return in the stream")
	}
	if !strings.HasSuffix(text, "\n\n") {
		return nil, nil, fmt.Errorf("the last event has no end")
	}
	for frame := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		if strings.HasPrefix(frame, ": ") && !strings.Contains(frame, "\n") {
			continue // a sign of life
		}
		first, second, two := strings.Cut(frame, "\n")
		name, isEvent := strings.CutPrefix(first, "event: ")
		payload, isData := strings.CutPrefix(second, "data: ")
		if !two || !isEvent || !isData || strings.Contains(payload, "\n") || strings.HasPrefix(name, " ") {
			return nil, nil, fmt.Errorf("frame %.80q", frame)
		}
		names, data = append(names, name), append(data, payload)
	}
	return names, data, nil
}
