//go:build linux

package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	lists "github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/gateway"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// costs are what two answers to one question may differ in: what it cost to find them, in time, rounds and bytes.
var costs = regexp.MustCompile(`"(duration_ns|query_duration_ns|rows|bytes_scanned)":[0-9]+|,"trace_id":"[^"]*"|"query_start":"[^"]*",|"stats":{[^}]*}`)

// hits count groups; where only the largest were looked at, the total is a bound.
var hits = regexp.MustCompile(`"total":[0-9]+(,"bound":true)?`)

// post asks a question and returns the bytes of the answer, without its costs.
func post(t testing.TB, url string, r wire.Request) string {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url+"/_query", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%+v: status %d: %.500s, %v", r, response.StatusCode, text, err)
	}
	return costs.ReplaceAllStringFunc(string(text), func(member string) string {
		name, _, _ := strings.Cut(member, ":")
		if member[len(member)-1] >= '0' && member[len(member)-1] <= '9' {
			return name + ":0"
		}
		if name == `"stats"` {
			return `"stats":{}`
		}
		return ""
	})
}

func decoded(t testing.TB, text string) *wire.Result {
	t.Helper()
	r := new(wire.Result)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Gateways over gateways over probes give the bytes that one gateway over all probes gives.
func TestTwoLevelsOfGatewaysAreAsOne(t *testing.T) {
	t.Parallel()
	var entries []inventory.Entry
	for i := range 6 {
		name := fmt.Sprintf("host-%d", i)
		p := simulate(t, name, uint64(i), day{5 * time.Minute, 12, 60})
		entries = append(entries, inventory.Entry{Name: name, URL: listening(t, p), Labels: map[string]string{"site": []string{"fra", "zrh"}[i%2], "company": "acme"}})
	}
	one := newGate(t, over(entries...), gateway.Deps{})
	left, right := newGate(t, over(entries[:3]...), gateway.Deps{}), newGate(t, over(entries[3:]...), gateway.Deps{})
	two := newGate(t, over(inventory.Entry{Name: "left", URL: left.url, Gateway: true}, inventory.Entry{Name: "right", URL: right.url, Gateway: true}), gateway.Deps{})
	for _, r := range []wire.Request{
		{Query: "sip,dip,dport,proto", Merge: true, NumResults: 25},
		{Query: "sip", Merge: true, NumResults: 5, Other: true},
		{Query: "sip,dip", NumResults: 10, SortBy: "packets"},
		{Query: "host,sip", Merge: true, NumResults: 7},
		{Query: "host,hostid,iface", Merge: true},
		{Query: "time,dport", Merge: true, Series: true, NumResults: 2, Other: true, TimeResolution: "15m"},
		{Query: "time", Merge: true, TimeResolution: "10m"},
		{Query: "sip/30,dport", Merge: true, NumResults: 8},
		{Query: "dip", Merge: true, NumResults: 10, Condition: "dport = 443 & bytes > 20000"},
		{Query: "dip", Merge: true, NumResults: 10, SortAscending: true, In: true},
		{Query: "sip", Merge: true, NumResults: 10, Condition: "dport = 1"},
		{Query: "sip", Merge: true, NumResults: 10, QueryHosts: "host-1,host-4"},
		{Query: "sip", Merge: true, NumResults: 10, QueryHosts: "site=fra,host-*"},
		{Query: "sip", Merge: true, NumResults: 10, First: "1000", Last: "2000"},
	} {
		r.Ifaces = "any"
		if r.First == "" {
			r.First = "-2h"
		}
		want, got := post(t, one.url, r), post(t, two.url, r)
		if a, b := decoded(t, want).Summary.Hits, decoded(t, got).Summary.Hits; b.Bound && a.Total <= b.Total { // how close the bound is, depends
			want, got = hits.ReplaceAllString(want, `"total":0`), hits.ReplaceAllString(got, `"total":0`)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: -one +two: %s", r, diff)
		}
		if result := decoded(t, want); r.First == "-2h" && r.Condition != "dport = 1" && len(result.Rows) == 0 || result.Status.State == wire.StateError || result.Status.State == wire.StatePartial {
			t.Errorf("%+v: the answer says nothing: %+v", r, result.Status)
		}
	}
}

// Gateways that are hosts of each other do not ask in circles: the loop is named, everything else is answered.
func TestLoopOfGateways(t *testing.T) {
	t.Parallel()
	probe := simulate(t, "probe", 1, day{5 * time.Minute, 3, 20})
	var gates [3]*gatewayServer
	var late [3]http.Handler
	var urls [3]string
	for i := range gates {
		urls[i] = listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { late[i].ServeHTTP(w, r) }))
	}
	for i := range gates { // 0 asks 1, 1 asks 2, 2 asks 0 and the probe
		entries := []inventory.Entry{{Name: fmt.Sprintf("gate-%d", (i+1)%3), URL: urls[(i+1)%3], Gateway: true}}
		if i == 2 {
			entries = append(entries, inventory.Entry{Name: "probe", URL: listening(t, probe)})
		}
		late[i] = http.NotFoundHandler()
		gates[i] = newGate(t, over(entries...), gateway.Deps{})
		late[i] = gates[i].server.Handler()
	}
	result := decoded(t, post(t, urls[0], wire.Request{Query: "sip", Ifaces: "any", Merge: true}))
	if len(result.Rows) == 0 || result.HostsStatuses["probe"].State != wire.StateOK {
		t.Errorf("the probe at the end: %+v", result.HostsStatuses)
	}
	if s := result.HostsStatuses["gate-0"]; s.Class != wire.ClassLoop || !strings.Contains(s.Message, "form a loop") || len(result.HostsStatuses) != 2 {
		t.Errorf("%+v", result.HostsStatuses)
	}
	own := inventory.Entry{Name: "me", Gateway: true}
	self := &late[0]
	own.URL = listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*self).ServeHTTP(w, r) }))
	alone := newGate(t, over(own, inventory.Entry{Name: "probe", URL: listening(t, probe)}), gateway.Deps{})
	*self = alone.server.Handler()
	if s := decoded(t, post(t, alone.url, wire.Request{Query: "sip", Ifaces: "any"})).HostsStatuses["me"]; s.Class != wire.ClassLoop {
		t.Errorf("a gateway that is its own host: %+v", s)
	}
}

// A list that somebody gives to the gateway above reaches the probes below, also after they have forgotten it.
func TestListsArePassedOn(t *testing.T) {
	t.Parallel()
	probe := simulate(t, "probe", 1, day{5 * time.Minute, 3, 60})
	below := newGate(t, over(inventory.Entry{Name: "probe", URL: listening(t, probe)}), gateway.Deps{})
	cfg := over(inventory.Entry{Name: "below", URL: below.url, Gateway: true})
	cfg.Lists = []gateway.ListFile{{Name: "watched", Path: "/lists/watched"}}
	above := newGate(t, cfg, gateway.Deps{ReadFile: func(string, int64) ([]byte, error) { return []byte("10.0.0.1\n10.0.0.2\n"), nil }})
	want := len(decoded(t, post(t, above.url, wire.Request{Query: "sip", Ifaces: "any", Merge: true, Condition: "sip in (10.0.0.1, 10.0.0.2)"})).Rows)
	if want != 2 {
		t.Fatalf("%d rows", want)
	}
	list, err := lists.Parse([]byte("10.0.0.1\n10.0.0.2\n10.9.9.9\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: above.url}, client.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Upload(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for _, r := range []wire.Request{
		{Condition: "sip in @" + list.Hash()}, {Condition: "sip in @watched"}, {Condition: "dport > 0", Actors: &wire.Actors{List: "watched"}},
	} {
		r.Query, r.Ifaces, r.Merge = "sip", "any", true
		for _, moment := range []string{"first", "again", "after a restart"} {
			if moment == "after a restart" {
				probe.restart(t)
			}
			result := decoded(t, post(t, above.url, r))
			if r.Actors == nil && len(result.Rows) != 2 || r.Actors != nil && len(result.Rows) < 2 || result.Status.State != wire.StateOK {
				t.Errorf("%+v, %s: %d rows, %+v %+v", r, moment, len(result.Rows), result.Status, result.HostsStatuses)
			}
		}
	}
	catalog, err := c.Catalog(t.Context())
	if err != nil || !slices.ContainsFunc(catalog.Lists, func(h lists.Health) bool { return h.Name == "watched" && h.Entries == 2 }) {
		t.Errorf("%+v, %v", catalog, err)
	}
}

// A change of the configuration counts without a restart; one that is not valid changes nothing, and is said.
func TestGatewayReload(t *testing.T) {
	t.Parallel()
	a, b := listening(t, simulate(t, "a", 1, day{5 * time.Minute, 2, 9})), listening(t, simulate(t, "b", 2, day{5 * time.Minute, 2, 9}))
	cfg := over(inventory.Entry{Name: "a", URL: a})
	var fault error
	g := newGate(t, cfg, gateway.Deps{Load: func() (gateway.Config, error) { return cfg, fault }})
	hosts := func() (names []string) {
		for _, h := range g.Status().Hosts {
			names = append(names, h.Name)
		}
		return names
	}
	cfg.Inventory.Hosts = []inventory.Entry{{Name: "b", URL: b}, {Name: "c", URL: b + "/", Auth: "none"}, {Name: "d", URL: "https://d.example", Auth: "none"}}
	cfg.API.Tokens = []serve.Token{{Name: "x", Role: serve.RoleQuery, SHA256: strings.Repeat("ab", 32)}}
	cfg.Fleet.HostTimeout = time.Minute
	cfg.LargeAnswers++
	changes, err := g.Reload(t.Context())
	want := gateway.Changes{Applied: []string{"fleet", "api.tokens", "inventory"}, Restart: []string{"large_answers"}, Hosts: 2}
	if diff := cmp.Diff(want, changes); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	if diff := cmp.Diff([]string{"b", "d"}, hosts()); diff != "" {
		t.Error(diff)
	}
	if f := g.Status().Sources[0].Faults; len(f) != 1 || !strings.Contains(f[0], "is also the address of b") {
		t.Errorf("%q", f)
	}
	result := decoded(t, post(t, g.url, wire.Request{Query: "sip", Ifaces: "any"}))
	if s := result.HostsStatuses["d"]; s.Class != wire.ClassUnauthorised || !strings.Contains(s.Message, "auth none is not configured") || len(result.Rows) == 0 {
		t.Errorf("%+v", result.HostsStatuses)
	}

	fault = fmt.Errorf("line 3: unknown key")
	response, err := http.Post(g.url+"/config/_reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || g.Status().Configuration.Error != "line 3: unknown key" || len(hosts()) != 2 {
		t.Errorf("status %d, %+v", response.StatusCode, g.Status().Configuration)
	}
	fault = nil
	if _, err := g.Reload(t.Context()); err != nil || g.Status().Configuration.Error != "" {
		t.Errorf("%v, %+v", err, g.Status().Configuration)
	}
}
