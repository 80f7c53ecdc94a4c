//go:build linux

package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/gateway"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/wire"
)

// sensor is a goProbe v4 sensor over the store of a simulated host, with what such sensors do otherwise or wrong: they refuse
// members that they do not know, answer one query at a time or else mix them up, ignore bins and series, send rows of a
// group in pieces, leave zeros out, have a name of their own, refuse queries beyond their rate without a word, and know
// neither features nor catalogs.
type sensor struct {
	t        *testing.T
	store    *simulated
	busy     atomic.Int64
	refusing atomic.Int64
}

// v4Members are those of a query that v4 knows.
var v4Members = []string{"query", "ifaces", "condition", "first", "last", "num_results", "sort_by", "sort_ascending", "in", "out", "sum", "format", "caller",
	"live", "hostname", "host_id", "query_hosts", "query_hosts_resolver_type", "max_mem_pct", "low_mem", "keepalive", "dns_resolution", "list"}

func (s *sensor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + r.URL.Path {
	case "GET /-/info":
		fmt.Fprint(w, `{"$schema":"x","name":"goprobe","version":"v4.2.13-ba1abd12","commit":"ba1abd12"}`)
	case "GET /status":
		fmt.Fprint(w, `{"status_code":200,"started_at":"2026-09-21T14:00:00Z","last_writeout":"2026-09-21T14:00:00Z","statuses":{"eth0":{"received_total":1},"eth1":{"received_total":1}}}`)
	case "POST /_query":
		s.query(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *sensor) query(w http.ResponseWriter, r *http.Request) {
	if s.refusing.Add(-1) >= 0 {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if s.busy.Add(1) > 1 {
		s.t.Error("the sensor is asked while it answers")
	}
	defer s.busy.Add(-1)
	var asked map[string]any
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		s.t.Error(err)
	}
	for name := range asked {
		if !slices.Contains(v4Members, name) {
			unprocessable(w, "unexpected property", name)
			return
		}
	}
	if condition, _ := asked["condition"].(string); strings.Contains(condition, "verdict") {
		unprocessable(w, "unknown attribute: verdict", "condition")
		return
	}
	body, _ := json.Marshal(asked) // it was decoded
	inner := httptest.NewRecorder()
	question := httptest.NewRequest(http.MethodPost, "/_query", bytes.NewReader(body)).WithContext(r.Context())
	s.store.ServeHTTP(inner, question)
	var answer map[string]any
	decoder := json.NewDecoder(inner.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil || inner.Code != http.StatusOK {
		w.WriteHeader(inner.Code)
		fmt.Fprintf(w, `{"title":"x","status":%d,"detail":"%v"}`, inner.Code, answer["detail"])
		return
	}
	answer["$schema"], answer["hostname"] = "x", "vm-17"
	answer["hosts_statuses"] = map[string]any{"vm-17": map[string]any{"code": "ok"}}
	answer["status"] = map[string]any{"code": "ok"}
	for _, extension := range []string{"data_version", "accounting", "coverage", "groups_total"} {
		delete(answer["summary"].(map[string]any), extension)
	}
	if rows, ok := answer["rows"].([]any); ok {
		answer["rows"] = inPieces(rows)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func unprocessable(w http.ResponseWriter, message, member string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	fmt.Fprintf(w, `{"title":"Unprocessable Entity","status":422,"detail":"validation failed","errors":[{"message":%q,"location":"body.%s"}]}`, message, member)
}

// inPieces gives each row the sensor's own name and sends its bytes and its packets apart.
func inPieces(rows []any) []any {
	var pieces []any
	for _, one := range rows {
		row := one.(map[string]any)
		labels, _ := row["labels"].(map[string]any)
		if labels["host"] != nil {
			labels["host"] = "vm-17"
		}
		bytes, packets := map[string]any{}, map[string]any{}
		for name, value := range row["counters"].(map[string]any) {
			if strings.HasPrefix(name, "b") {
				bytes[name] = value
			} else {
				packets[name] = value
			}
		}
		for _, counters := range []map[string]any{bytes, packets} {
			pieces = append(pieces, map[string]any{"labels": labels, "attributes": row["attributes"], "counters": counters})
		}
	}
	return pieces
}

// A probe of ours beside a goProbe sensor gives the rows and totals of two probes of ours; what the sensor cannot tell is
// said of it, and the rest is answered.
func TestMixedFleet(t *testing.T) {
	t.Parallel()
	entry := func(name string, h http.Handler) inventory.Entry {
		return inventory.Entry{Name: name, URL: listening(t, h), Labels: map[string]string{"company": map[string]string{"new": "acme", "old": "globex"}[name]}}
	}
	ours, theirs := simulate(t, "new", 1, day{5 * time.Minute, 12, 60}), simulate(t, "old", 2, day{5 * time.Minute, 12, 60})
	old := &sensor{t: t, store: theirs}
	mixed := newGate(t, over(entry("new", ours), entry("old", old)), gateway.Deps{})
	plain := newGate(t, over(entry("new", ours), entry("old", theirs)), gateway.Deps{})
	old.refusing.Store(1) // is asked again
	for _, r := range []wire.Request{
		{Query: "sip,dip,dport,proto", Merge: true, NumResults: 25},
		{Query: "sip,dip", Merge: true, NumResults: 5, SortBy: "packets"},
		{Query: "host,sip", Merge: true, NumResults: 7},
		{Query: "host,iface", Merge: true},
		{Query: "label.company,dport", Merge: true},
		{Query: "time,dport", Merge: true, Series: true, NumResults: 2, TimeResolution: "15m"},
		{Query: "time", Merge: true, TimeResolution: "10m"},
		{Query: "sip/30,dport", Merge: true, NumResults: 8},
		{Query: "dip", Merge: true, NumResults: 10, Condition: "dport in (80, 443) & sip = 10.0.0.0/8"},
		{Query: "dip", Merge: true, NumResults: 10, QueryHosts: "company=globex"},
	} {
		r.Ifaces, r.First = "any", "-2h"
		want, got := decoded(t, post(t, plain.url, r)), decoded(t, post(t, mixed.url, r))
		if len(want.Rows) == 0 {
			t.Fatalf("%+v: the answer says nothing", r)
		}
		for _, result := range []*wire.Result{want, got} {
			for i := range result.Rows {
				result.Rows[i].Labels.HostID = "" // a sensor has none
			}
		}
		if diff := cmp.Diff(want.Rows, got.Rows, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%+v: -two probes +mixed: %s", r, diff)
		}
		if diff := cmp.Diff(want.Summary.Totals, got.Summary.Totals); diff != "" {
			t.Errorf("%+v: totals: %s", r, diff)
		}
		if s, named := got.HostsStatuses["old"]; !named || s.State != wire.StateOK || got.Status.State != wire.StateOK {
			t.Errorf("%+v: %+v", r, got.HostsStatuses)
		}
	}
	for _, r := range []wire.Request{{Query: "verdict", Merge: true}, {Query: "sip", Merge: true, Condition: "verdict = rejected"}} {
		r.Ifaces, r.First = "any", "-2h"
		got := decoded(t, post(t, mixed.url, r))
		if s := got.HostsStatuses["old"]; s.State != wire.StateError || s.Message == "" || got.HostsStatuses["new"].State == wire.StateError {
			t.Errorf("%s %s: %+v", r.Query, r.Condition, got.HostsStatuses)
		} else {
			t.Logf("%s %s: %s (%s)", r.Query, r.Condition, s.Message, s.Class)
		}
	}
}
