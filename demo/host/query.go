package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// What Grafana assumes where a query does not say.
const (
	defaultMaxDataPoints = 100
	defaultInterval      = time.Second
)

// queryBody is the body of POST /api/ds/query.
type queryBody struct {
	From    string            `json:"from"`
	To      string            `json:"to"`
	Queries []json.RawMessage `json:"queries"`
}

// queryHead is the part of a query that belongs to Grafana.
type queryHead struct {
	RefID      string `json:"refId"`
	DataSource struct {
		UID string `json:"uid"`
	} `json:"datasource"`
	QueryType     string  `json:"queryType"`
	MaxDataPoints int64   `json:"maxDataPoints"`
	IntervalMS    float64 `json:"intervalMs"`
}

// query runs the queries of a panel. The header FromAlert, set by a test, makes them queries of an alert rule.
func (h *Host) query(w http.ResponseWriter, r *http.Request) {
	var body queryBody
	if !decode(w, r, &body) {
		return
	}
	queries, err := h.queries(body)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	request := &backend.QueryDataRequest{Queries: queries, Headers: map[string]string{}}
	if alert := r.Header.Get(backend.FromAlertHeaderName); alert != "" {
		request.Headers[backend.FromAlertHeaderName] = alert
	}
	response, err := h.Client().QueryData(r.Context(), request)
	if err != nil {
		h.logger.Error("query", "error", err)
		fail(w, http.StatusInternalServerError, fmt.Errorf("an error occurred within the plugin: %w", err))
		return
	}
	answer(w, queryStatus(response), response)
}

// queries are those of the body as Grafana hands them to the plugin.
func (h *Host) queries(body queryBody) ([]backend.DataQuery, error) {
	if len(body.Queries) == 0 {
		return nil, errors.New("no queries found")
	}
	now := h.now()
	from, err := parseTime(body.From, now)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	to, err := parseTime(body.To, now)
	if err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	queries := make([]backend.DataQuery, 0, len(body.Queries))
	for i, raw := range body.Queries {
		head := queryHead{RefID: "A", MaxDataPoints: defaultMaxDataPoints}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, fmt.Errorf("query %d: %w", i+1, err)
		}
		if uid := head.DataSource.UID; uid != "" && uid != h.config.DataSource.UID {
			return nil, fmt.Errorf("query %s: data source %q not found", head.RefID, uid)
		}
		interval := time.Duration(head.IntervalMS * float64(time.Millisecond))
		if interval <= 0 {
			interval = defaultInterval
		}
		queries = append(queries, backend.DataQuery{
			RefID: head.RefID, QueryType: head.QueryType, MaxDataPoints: head.MaxDataPoints,
			Interval: interval, TimeRange: backend.TimeRange{From: from, To: to}, JSON: raw,
		})
	}
	return queries, nil
}

// queryStatus is the HTTP status of an answer: that of the first query that failed, 400 if it names none.
func queryStatus(response *backend.QueryDataResponse) int {
	for _, refID := range slices.Sorted(maps.Keys(response.Responses)) {
		r := response.Responses[refID]
		switch {
		case r.Error == nil:
		case r.Status.IsValid() && r.Status >= http.StatusBadRequest:
			return int(r.Status)
		default:
			return http.StatusBadRequest
		}
	}
	return http.StatusOK
}
