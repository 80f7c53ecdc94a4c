//go:build linux

package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/demo/fleet"
	"github.com/weirflow/weir/demo/host"
	"github.com/weirflow/weir/demo/planted"
	"github.com/weirflow/weir/internal/dashboards"
)

// boards are the dashboards over the planted fleet, asked through the plugin's process.
type boards struct {
	plugin  *host.Host
	answers *planted.Answers
	from    time.Time
	to      time.Time
}

func startBoards(t *testing.T) *boards {
	f := startPlanted(t)
	var servers []fleet.Member
	for i, h := range f.hosts {
		servers = append(servers, fleet.Member{Name: h.Name, URL: "http://" + f.addresses[i]})
	}
	now := time.Now()
	return &boards{plugin: newPlugin(t, dataSource(servers, "", "")), answers: f.answers, from: now.Add(-4 * 24 * time.Hour), to: now}
}

// target is a panel's query with the variables filled in as the front end does, all hosts and interfaces chosen.
func target(t *testing.T, query map[string]any, variables map[string]any) []byte {
	t.Helper()
	filled := map[string]any{}
	for name, value := range query {
		switch v := value.(type) {
		case string:
			v = strings.TrimSuffix(v, " & $condition") // which is empty
			if whole, ok := variables[v]; ok {
				filled[name] = whole
				continue
			}
			for _, variable := range slices.SortedFunc(maps.Keys(variables), func(a, b string) int { return len(b) - len(a) }) {
				v = strings.ReplaceAll(v, variable, fmt.Sprint(variables[variable]))
			}
			filled[name] = v
		case []string:
			list := []string{}
			for _, item := range v {
				if item == "$attributes" {
					list = append(list, "sip", "dip", "dport", "proto")
				} else {
					list = append(list, item)
				}
			}
			filled[name] = list
		default:
			filled[name] = value
		}
	}
	text, err := json.Marshal(filled)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ReplaceAll(string(text), "${ds}", ""), "$") {
		t.Fatalf("a variable is left: %s", text)
	}
	return text
}

func (b *boards) variables() map[string]any {
	return map[string]any{
		"company=$company,customer=$customer,$host": "any", "$iface": "any", "$condition": "", "$top": 25, "$resolve": false,
		"$actors": b.answers.Actor.Address, "$a": b.answers.Access.A, "$b": b.answers.Access.B,
	}
}

// ask runs a query from a time on, as a panel or as an alert rule.
func (b *boards) ask(t *testing.T, query []byte, from, to time.Time, headers map[string]string) backend.DataResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := b.plugin.Client().QueryData(ctx, &backend.QueryDataRequest{Headers: headers, Queries: []backend.DataQuery{
		{RefID: "A", JSON: query, MaxDataPoints: 200, TimeRange: backend.TimeRange{From: from, To: to}}}})
	if err != nil {
		t.Fatal(err)
	}
	return response.Responses["A"]
}

// panel asks what the panel of a dashboard asks, and returns the frame that it shows.
func (b *boards) panel(t *testing.T, uid, title string, changes map[string]any) *data.Frame {
	t.Helper()
	variables := b.variables()
	for name, value := range changes {
		variables[name] = value
	}
	for _, d := range dashboards.All() {
		for _, p := range d.Queries() {
			if d.UID != uid || p.Title != title {
				continue
			}
			answer := b.ask(t, target(t, p.Query, variables), b.from, b.to, nil)
			if answer.Error != nil || len(answer.Frames) == 0 {
				t.Fatalf("%s, %s: %d frames, %v", uid, title, len(answer.Frames), answer.Error)
			}
			return answer.Frames[0]
		}
	}
	t.Fatalf("no panel %s, %s", uid, title)
	return nil
}

// find is the first row of a frame whose field holds a text; -1: none.
func find(frame *data.Frame, field, text string) int {
	f, _ := frame.FieldByName(field)
	for i := 0; f != nil && i < f.Len(); i++ {
		if value, ok := f.ConcreteAt(i); ok && strings.Contains(fmt.Sprint(value), text) {
			return i
		}
	}
	return -1
}

func cell(t *testing.T, frame *data.Frame, field string, row int) string {
	t.Helper()
	f, _ := frame.FieldByName(field)
	if f == nil || row < 0 || row >= f.Len() {
		t.Fatalf("%s: no %s in row %d of %d fields", frame.Name, field, row, len(frame.Fields))
	}
	value, _ := f.ConcreteAt(row)
	return fmt.Sprint(value)
}

// Every query of every dashboard is answered by the plugin over real probes, and those that answer the six questions say
// what was planted.
func TestDashboards(t *testing.T) {
	b := startBoards(t)
	t.Run("all", func(t *testing.T) {
		for _, d := range dashboards.All() {
			for _, p := range d.Queries() {
				answer := b.ask(t, target(t, p.Query, b.variables()), b.from, b.to, nil)
				if answer.Error != nil {
					t.Errorf("%s, %s: %v", d.UID, p.Title, answer.Error)
					continue
				}
				if len(answer.Frames) == 0 || len(answer.Frames[0].Fields) == 0 || answer.Frames[0].Rows() == 0 {
					t.Errorf("%s, %s: the first of %d frames is empty", d.UID, p.Title, len(answer.Frames))
					continue
				}
				for _, field := range p.Fields {
					if f, _ := answer.Frames[0].FieldByName(field); f == nil {
						t.Errorf("%s, %s: changes the look of %s, which is not in the answer", d.UID, p.Title, field)
					}
				}
			}
		}
	})
	t.Run("variables", b.lists)
	t.Run("access", func(t *testing.T) {
		want := b.answers.Access
		frame := b.panel(t, "weir-path", "By service", nil)
		row := find(frame, "service", want.Service)
		if cell(t, frame, "verdict", row) != "accepted" || cell(t, frame, "attempts", row) != fmt.Sprint(want.Attempts) || cell(t, frame, "bytes_a_to_b", row) != fmt.Sprint(want.AToB) {
			t.Error(frame.StringTable(10, 20))
		}
	})
	t.Run("blocked", func(t *testing.T) {
		want := b.answers.Blocked
		frame := b.panel(t, "weir-path", "By service", map[string]any{"$a": want.A, "$b": want.B})
		dropped, refused := find(frame, "service", want.Unanswered), find(frame, "service", want.Rejected)
		if cell(t, frame, "unanswered", dropped) != fmt.Sprint(want.UnansweredN) || cell(t, frame, "rejects", refused) != fmt.Sprint(want.RejectedN) {
			t.Error(frame.StringTable(10, 20))
		}
	})
	t.Run("asymmetry", func(t *testing.T) {
		want := b.answers.Asymmetric
		frame := b.panel(t, "weir-asymmetry", "Pairs", nil)
		row := find(frame, "sip", want.Source)
		if cell(t, frame, "dip", row) != want.Destination || cell(t, frame, "forward_bytes", row) != fmt.Sprint(want.ForwardBytes) || cell(t, frame, "backward_bytes", row) != fmt.Sprint(want.BackwardBytes) {
			t.Error(frame.StringTable(20, 20))
		}
	})
	t.Run("hogs", func(t *testing.T) {
		frame := b.panel(t, "weir-hogs", "Conversations", nil)
		if cell(t, frame, "sip", 0) != b.answers.Hog.Source || cell(t, frame, "dip", 0) != b.answers.Hog.Destination {
			t.Error(frame.StringTable(20, 20))
		}
	})
	t.Run("actors", func(t *testing.T) {
		want := b.answers.Actor
		frame := b.panel(t, "weir-actors", "Actors", nil)
		row := find(frame, "actor", want.Address)
		if cell(t, frame, "attempts", row) != fmt.Sprint(want.Attempts) || cell(t, frame, "accepts", row) != fmt.Sprint(want.Accepted) ||
			cell(t, frame, "rejects", row) != fmt.Sprint(want.Rejected) || cell(t, frame, "unanswered", row) != fmt.Sprint(want.Unanswered) {
			t.Error(frame.StringTable(30, 20))
		}
		clean := b.panel(t, "weir-actors", "Answer", map[string]any{"$actors": strings.Join(strings.Fields(want.Clean), ", ")})
		if text := cell(t, clean, "answer", 0); !strings.Contains(text, "0 hits") {
			t.Error(text)
		}
	})
	t.Run("composition", func(t *testing.T) {
		want := b.answers.Composition
		b := *b
		b.from, b.to = want.At.Add(-5*time.Minute), want.At
		frame := b.panel(t, "weir-global", "Services", map[string]any{"company=$company,customer=$customer,$host": want.Host, "$iface": want.Iface})
		protocol, port, _ := strings.Cut(want.Services[0].Service, "/")
		if cell(t, frame, "proto", 0) != protocol || cell(t, frame, "dport", 0) != port || cell(t, frame, "bytes", 0) != fmt.Sprint(want.Services[0].Bytes) {
			t.Error(frame.StringTable(20, 20))
		}
	})
	t.Run("alert", b.alert)
}

// lists checks what the variables offer.
func (b *boards) lists(t *testing.T) {
	for name, want := range map[string]struct {
		replace, with string
		values        []string
	}{
		"company": {"", "", []string{"acme", "globex"}},
		"host":    {"company=$company,customer=$customer", "company=globex", []string{"globex-nyc-db1", "globex-nyc-r1"}},
		"iface":   {"company=$company,customer=$customer,$host", "globex-nyc-db1", []string{"eth0"}},
	} {
		for _, v := range dashboards.All()[0].Variables {
			if v["name"] != name {
				continue
			}
			query := target(t, v["query"].(map[string]any), map[string]any{want.replace: want.with})
			answer := b.ask(t, query, b.from, b.to, nil)
			if answer.Error != nil {
				t.Fatal(answer.Error)
			}
			var got []string
			for i := range answer.Frames[0].Rows() {
				got = append(got, cell(t, answer.Frames[0], "value", i))
			}
			if !slices.Equal(got, want.values) {
				t.Errorf("%s: %v, want %v", name, got, want.values)
			}
		}
	}
}

// alert runs the query of the provisioned rule as Grafana's alerting does: it is above the threshold while the hog is at
// work, and was not before.
func (b *boards) alert(t *testing.T) {
	text, err := os.ReadFile(inRepository(filepath.Join("provisioning", "alerting", "weir.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Condition string
				Data      []struct {
					RefID             string               `yaml:"refId"`
					RelativeTimeRange struct{ From int64 } `yaml:"relativeTimeRange"`
					Model             map[string]any
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	rule := file.Groups[0].Rules[0]
	query, err := json.Marshal(rule.Data[0].Model)
	if err != nil {
		t.Fatal(err)
	}
	threshold := rule.Data[1].Model["conditions"].([]any)[0].(map[string]any)["evaluator"].(map[string]any)["params"].([]any)[0]
	span := time.Duration(rule.Data[0].RelativeTimeRange.From) * time.Second
	over := func(at time.Time) (rows []string) {
		answer := b.ask(t, query, at.Add(-span), at, map[string]string{backend.FromAlertHeaderName: "true"})
		if answer.Error != nil || len(answer.Frames) != 1 {
			t.Fatalf("%d frames, %v", len(answer.Frames), answer.Error)
		}
		numbers := 0
		for _, f := range answer.Frames[0].Fields {
			if !f.Type().Numeric() {
				continue
			}
			numbers++
			for i := range f.Len() {
				if value, err := f.FloatAt(i); err == nil && value > float64(threshold.(uint64)) {
					rows = append(rows, cell(t, answer.Frames[0], "sip", i)+" "+cell(t, answer.Frames[0], "host", i))
				}
			}
		}
		if numbers != 1 {
			t.Errorf("%d columns of numbers: an alert rule reads one", numbers)
		}
		return rows
	}
	hog := b.answers.Hog
	if rows := over(hog.Last.Add(time.Minute)); len(rows) == 0 || !strings.HasPrefix(rows[0], hog.Source+" ") {
		t.Errorf("the rule does not fire on %s: %v", hog.Source, rows)
	}
	if rows := over(hog.First.Add(-time.Hour)); len(rows) > 0 {
		t.Errorf("the rule fires without a hog: %v", rows)
	}
}
