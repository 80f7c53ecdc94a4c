package plugin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// tried is what was counted of n attempts of which some were accepted: the interface received what was asked, and sent
// the answers.
func tried(n, accepted, rejected uint64) wire.Counters {
	c := wire.Counters{BytesReceived: 100 * n, PacketsReceived: n, Attempts: n, Accepts: accepted, Rejects: rejected}
	if accepted > 0 {
		c.BytesSent, c.PacketsSent = 5000*accepted, 4*accepted
	}
	return c
}

const minute = time.Minute

// threeHosts are a fleet in which 10.0.0.1 uses a web server, is refused by ssh, and asks a host that never answers;
// 203.0.113.9 is heard of at berlin only; cairo is down.
func threeHosts() *DataSource {
	amsterdam := ledger("amsterdam",
		entry{10 * minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(10, 10, 0)},
		entry{15 * minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(5, 5, 0)},
		entry{15 * minute, "eth0", "10.0.0.1", "192.0.2.10", 22, tried(2, 0, 2)},
		entry{40 * minute, "eth1", "10.0.0.1", "192.0.2.77", 25, tried(3, 0, 0)},
		entry{24*time.Hour + 10*minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(20, 20, 0)},
		entry{24*time.Hour + 20*minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(1, 1, 0)},
	)
	amsterdam.catalog.Labels = map[string]string{"company": "acme", "site": "ams"}
	berlin := ledger("berlin",
		entry{10 * minute, "wan", "10.0.0.1", "192.0.2.10", 443, wire.Counters{BytesReceived: 1000, PacketsReceived: 10, Attempts: 10}},
		entry{5 * minute, "wan", "203.0.113.9", "10.0.0.5", 3389, tried(4, 1, 0)},
	)
	berlin.catalog.Labels = map[string]string{"company": "other", "site": "ber"}
	cairo := newFake("cairo")
	cairo.err = closed("cairo:8145")
	return sourceOf([]string{"amsterdam", "berlin", "cairo"}, amsterdam, berlin, cairo)
}

// cells are the values of some columns of a frame, row by row, as text.
func cells(t *testing.T, frame *data.Frame, names ...string) []string {
	t.Helper()
	rows := make([]string, frame.Rows())
	for _, name := range names {
		field, _ := frame.FieldByName(name)
		if field == nil {
			t.Fatalf("frame %q has no field %q", frame.Name, name)
		}
		for i := range rows {
			value, _ := field.ConcreteAt(i)
			rows[i] = strings.TrimSpace(rows[i] + " " + fmt.Sprint(value))
		}
	}
	return rows
}

// answered runs a query that has to be answered, with one notice that names cairo.
func answered(t *testing.T, d *DataSource, query string) data.Frames {
	t.Helper()
	response := askOne(t, d, query)
	if response.Error != nil {
		t.Fatalf("%s: %v", query, response.Error)
	}
	warnings := 0
	for i, frame := range response.Frames {
		if _, err := frame.RowLen(); err != nil {
			t.Errorf("%s: frame %s: %v", query, frame.Name, err)
		}
		for _, n := range frame.Meta.Notices {
			if n.Severity == data.NoticeSeverityWarning {
				if warnings++; i > 0 || !strings.Contains(n.Text, "cairo (") || !strings.Contains(n.Text, "connection refused") {
					t.Errorf("%s: notice on frame %d: %s", query, i, n.Text)
				}
			}
		}
	}
	if warnings != 1 {
		t.Errorf("%s: %d warnings, want one", query, warnings)
	}
	return response.Frames
}

func command(frame *data.Frame) string { return frame.Meta.ExecutedQueryString }

func TestPathQuery(t *testing.T) {
	list := answered(t, threeHosts(), `{"version":2,"queryType":"path","a":"10.0.0.1","b":"192.0.2.0/24"}`)
	want := []string{
		"amsterdam eth0 tcp/443 A accepted 15", "berlin wan tcp/443 A unanswered 10", "amsterdam eth0 tcp/22 A rejected 2", "amsterdam eth1 tcp/25 A unanswered 3",
	}
	got := cells(t, list[0], "host", "iface", "service", "initiator", "verdict", "attempts")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("views (-want +got):\n%s", diff)
	}
	if got := cells(t, list[2], "verdict"); got[0] != "accepted" {
		t.Errorf("verdict %v", got)
	}
	if got := command(list[0]); !strings.HasPrefix(got, "weir path --server 'amsterdam=") || !strings.HasSuffix(got, "10.0.0.1 192.0.2.0/24") {
		t.Errorf("command %q", got)
	}
	none := answered(t, threeHosts(), `{"version":2,"queryType":"path","a":"10.9.9.9","b":"192.0.2.10"}`)
	if len(none[0].Fields) != 0 || cells(t, none[2], "verdict")[0] != "not seen" {
		t.Errorf("a path that nobody took: %v", none)
	}
	if n := none[0].Meta.Notices; len(n) != 2 || !strings.Contains(n[1].Text, "2 of 3 hosts answered") {
		t.Errorf("notices %v: what the silence proves is missing", n)
	}
}

func TestAsymmetryQuery(t *testing.T) {
	d := sourceOf([]string{"amsterdam", "berlin", "cairo"},
		ledger("amsterdam", entry{10 * minute, "eth0", "10.0.0.1", "192.0.2.10", 443, wire.Counters{BytesReceived: 9000, PacketsReceived: 90, Attempts: 3}}),
		ledger("berlin", entry{10 * minute, "wan", "10.0.0.1", "192.0.2.10", 443, wire.Counters{BytesSent: 80000, PacketsSent: 80}}),
		&fake{err: closed("cairo:8145")})
	list := answered(t, d, `{"version":2,"queryType":"asymmetry"}`)
	if got := cells(t, list[0], "sip", "dip", "kind", "forward_points", "backward_points"); len(got) != 1 || got[0] != "10.0.0.1 192.0.2.10 split amsterdam eth0 berlin wan" {
		t.Errorf("pairs %v", got)
	}
	if got := command(list[0]); !strings.HasPrefix(got, "weir asymmetry --server") {
		t.Errorf("command %q", got)
	}
}

func TestActorsQuery(t *testing.T) {
	d := threeHosts()
	list := answered(t, d, `{"version":2,"queryType":"actors","actors":"203.0.113.0/24, 198.51.100.7\n2001:db8::1"}`)
	if got := cells(t, list[0], "actor", "hosts", "interfaces", "accepts", "unanswered", "ports", "systems", "companies"); len(got) != 1 ||
		got[0] != "203.0.113.0/24 berlin berlin wan 1 3 tcp/3389 10.0.0.5 other" {
		t.Errorf("actors %v", got)
	}
	if got := command(list[0]); !strings.HasPrefix(got, `printf '%s\n' 198.51.100.7 2001:db8::1 203.0.113.0/24 | weir actors hits --server `) || !strings.HasSuffix(got, " --live -n 100 -") {
		t.Errorf("command %q", got)
	}
	none := answered(t, d, `{"version":2,"queryType":"actors","actors":"198.51.100.7"}`)
	if n := none[0].Meta.Notices; len(none[0].Fields) != 0 || len(n) != 2 || !strings.Contains(n[1].Text, "0 hits") || !strings.Contains(n[1].Text, "2 of 3 hosts answered") {
		t.Errorf("no hits: %v", n)
	}
	for actors, want := range map[string]string{
		"1.2.3.4 nobody.example/x": "actors:", "@a @b": "name one list", "1.2.3.4 @b": "name one list",
	} {
		response := askOne(t, d, fmt.Sprintf(`{"version":2,"queryType":"actors","actors":%q}`, actors))
		if actors != "1.2.3.4 nobody.example/x" && (response.Error == nil || !strings.Contains(response.Error.Error(), want)) {
			t.Errorf("%s: %v", actors, response.Error)
		}
	}
}

func TestGraphQuery(t *testing.T) {
	list := answered(t, threeHosts(), `{"version":2,"queryType":"nodegraph","interfaces":"eth0,eth1,wan"}`)
	want := []string{"10.0.0.1 192.0.2.10 green", "203.0.113.9 10.0.0.5 green", "10.0.0.1 192.0.2.77 orange"}
	if diff := cmp.Diff(want, cells(t, list[1], "source", "target", "color")); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
}

func TestHostsQuery(t *testing.T) {
	d := threeHosts()
	list := answered(t, d, `{"version":2,"queryType":"hosts"}`)
	want := []string{"amsterdam ok 1000 9 acme", "berlin ok 1000 6 other", "cairo error 0 0"}
	got := cells(t, list[0], "host", "state", "received", "dropped", "label.company")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if got := cells(t, list[0], "class", "reason")[2]; got != "refused connection refused" {
		t.Errorf("cairo: %q", got)
	}
	one := askOne(t, d, `{"version":2,"queryType":"hosts","hosts":"company=acme","strict":true}`)
	if one.Error != nil || one.Frames[0].Rows() != 1 {
		t.Errorf("one company: %v %v", one.Error, one.Frames)
	}
	all := newFake("a")
	all.err = closed("a")
	if response := askOne(t, sourceOf([]string{"a"}, all), `{"version":2,"queryType":"hosts","strict":true}`); response.Error != nil || response.Frames[0].Rows() != 1 {
		t.Errorf("a fleet that is down is an answer: %v", response.Error)
	}
}

func TestVariableQueries(t *testing.T) {
	d := threeHosts()
	for query, want := range map[string]string{
		`"variable":"hosts"`: "amsterdam berlin cairo", `"variable":"hosts","hosts":"company=acme"`: "amsterdam",
		`"variable":"hosts","hosts":"site=ams|ber"`: "amsterdam berlin", `"variable":"servers"`: "amsterdam berlin cairo",
		`"variable":"labels"`: "company site", `"variable":"labelValues","label":"company"`: "acme other",
		`"variable":"labelValues","label":"site","hosts":"company=other"`: "ber", `"variable":"lists"`: "",
		`"variable":"interfaces"`: "amsterdam0 berlin0 eth0", `"variable":"interfaces","hosts":"berlin"`: "berlin0 eth0",
		`"variable":"interfaces","interfaces":"/^eth/"`: "eth0",
		`"variable":"values","attributes":["dport"]`:    "443 3389 25 22", `"variable":"values","attributes":["dport"],"limit":1`: "443",
		`"variable":"values","attributes":["dip"],"condition":"dport = 25"`: "192.0.2.77",
		`"variable":"attributes","limit":3`:                                 "host hostid iface",
	} {
		response := askOne(t, d, `{"version":2,"queryType":"variable",`+query+`}`)
		if response.Error != nil {
			t.Errorf("%s: %v", query, response.Error)
			continue
		}
		if got := strings.Join(cells(t, response.Frames[0], "value"), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{
		`"variable":"hosts","hosts":"compny=acme"`:                    "compny",
		`"variable":"labelValues","label":"compny"`:                   `did you mean "company"?`,
		`"variable":"interfaces","interfaces":"eth*"`:                 "interfaces:",
		`"variable":"values","attributes":["sip"],"hosts":"amsterdm"`: `did you mean "amsterdam"?`,
	} {
		if response := askOne(t, d, `{"version":2,"queryType":"variable",`+query+`}`); response.Error == nil || !strings.Contains(response.Error.Error(), want) ||
			response.Status < 400 || response.Status > 499 {
			t.Errorf("%s: %v, status %d; want %q", query, response.Error, response.Status, want)
		}
	}
}

func TestAnnotationQuery(t *testing.T) {
	list := answered(t, threeHosts(), `{"version":2,"queryType":"annotations","attributes":["sip"],"condition":"dport = 443"}`)
	if got := cells(t, list[0], "title", "time", "timeEnd"); len(got) != 1 || got[0] != "10.0.0.1 2026-11-21 11:40:00 +0000 UTC 2026-11-21 11:50:00 +0000 UTC" {
		t.Errorf("regions %v", got)
	}
}

func TestComparison(t *testing.T) {
	d := threeHosts()
	table := answered(t, d, `{"version":2,"attributes":["dport"],"condition":"dport = 443","interfaces":"eth0","compare":"1d"}`)
	// 15 attempts with 100 + 5000 bytes each; 21 a day earlier.
	if got := cells(t, table[0], "dport", "bytes", "bytes_before"); len(got) != 1 || got[0] != "443 76500 107100" {
		t.Errorf("table %v", got)
	}
	if got := command(table[0]); !strings.Contains(got, "--compare 1d") {
		t.Errorf("command %q", got)
	}
	series := answered(t, d, `{"version":2,"queryType":"timeseries","attributes":["dport"],"condition":"dport = 443","interfaces":"eth0","compare":"1d","unit":"total","value":"packets"}`)
	frame := series[0]
	if len(frame.Fields) != 3 || frame.Fields[2].Config.DisplayNameFromDS != "443 (1d earlier)" {
		t.Fatalf("fields %v", frame.Fields)
	}
	got := map[int][2]any{}
	for i := range frame.Rows() {
		end := int(noon.Sub(frame.Fields[0].At(i).(time.Time)) / minute)
		if a, b := frame.Fields[1].At(i), frame.Fields[2].At(i); a != uint64(0) || b != uint64(0) {
			got[end] = [2]any{a, b}
		}
	}
	want := map[int][2]any{10: {uint64(50), uint64(100)}, 15: {uint64(25), uint64(0)}, 20: {uint64(0), uint64(5)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packets by minutes ago (-want +got):\n%s", diff)
	}
	if got := command(frame); !strings.Contains(got, "--compare 1d") || strings.Contains(got, "groups") {
		t.Errorf("command %q", got)
	}
}

func TestUnits(t *testing.T) {
	d := threeHosts()
	for unit, want := range map[string]string{"total": "76500", "average": "170", "rate": "170"} {
		field := map[string]string{"total": "bytes", "average": "bps", "rate": "bps"}[unit]
		list := answered(t, d, `{"version":2,"attributes":["dport"],"condition":"dport = 443","interfaces":"eth0","unit":"`+unit+`"}`)
		got := cells(t, list[0], field)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, want %s", unit, got, want)
		}
	}
	if response := askOne(t, d, `{"version":2,"attributes":["time","dport"],"unit":"rate"}`); response.Error == nil || !strings.Contains(response.Error.Error(), "unit rate") {
		t.Errorf("rates of rows with time: %v", response.Error)
	}
}

func TestStrictQueries(t *testing.T) {
	d := threeHosts()
	const query = `{"version":2,"attributes":["sip"],"strict":true}`
	check := func(response backend.DataResponse) {
		t.Helper()
		if response.Error == nil || !strings.Contains(response.Error.Error(), "1 of 3 hosts are missing from the answer, and the query is strict: cairo (connection refused)") ||
			response.ErrorSource != backend.ErrorSourceDownstream || len(response.Frames) > 0 {
			t.Errorf("%v from %s with %d frames", response.Error, response.ErrorSource, len(response.Frames))
		}
	}
	check(askOne(t, d, query))
	check(ask(t, d, alertHeaders, map[string]string{"A": query})["A"])
	if response := askOne(t, d, `{"version":2,"attributes":["sip"],"strict":true,"servers":["amsterdam","berlin"]}`); response.Error != nil {
		t.Errorf("nobody is missing: %v", response.Error)
	}
	d.settings.Strict = true
	check(askOne(t, d, `{"version":2,"attributes":["sip"]}`))
}

func TestDebugFrame(t *testing.T) {
	d := threeHosts()
	list := answered(t, d, `{"version":2,"attributes":["sip"],"debug":true}`)
	if len(list) != 2 || list[1].Name != "debug" || list[1].Rows() != 3 {
		t.Fatalf("frames %v", list)
	}
	if alert := ask(t, d, alertHeaders, map[string]string{"A": `{"version":2,"attributes":["sip"],"debug":true}`})["A"]; alert.Error != nil || len(alert.Frames) != 1 {
		t.Errorf("an alert rule gets %d frames: %v", len(alert.Frames), alert.Error)
	}
}

// Explore joins the tables of an answer into one unless they ask for a panel; alone, a table stays what Explore shows.
func TestTablesOfAnAnswerStayApart(t *testing.T) {
	for query, want := range map[string]string{
		`{"version":2,"queryType":"path","a":"10.0.0.1","b":"192.0.2.0/24"}`:                  "table table table",
		`{"version":2,"queryType":"path","a":"10.0.0.1","b":"192.0.2.0/24","frame":"answer"}`: "-",
		`{"version":2,"attributes":["sip"]}`:                                                  "-",
		`{"version":2,"attributes":["sip"],"debug":true}`:                                     "- table",
		`{"version":2,"queryType":"nodegraph","attributes":["sip","dip"]}`:                    "- -",
	} {
		var got []string
		for _, f := range answered(t, threeHosts(), query) {
			panel := f.Meta.PreferredVisualizationPluginID
			if panel == "" {
				panel = "-"
			}
			got = append(got, panel)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: panels %q, want %q", query, text, want)
		}
	}
}

func TestAlertsRefuse(t *testing.T) {
	d := threeHosts()
	for query, want := range map[string]string{
		`{"version":2,"queryType":"path","a":"1.1.1.1","b":"2.2.2.2"}`: "an alert rule reads tables and time series only",
		`{"version":2,"attributes":["sip"],"compare":"1d"}`:            "compare: an alert rule reads one number",
		`{"version":2,"attributes":["sip"],"condition":"sip = $x"}`:    "variable $x has no value here: alert rules",
	} {
		if response := ask(t, d, alertHeaders, map[string]string{"A": query})["A"]; response.Error == nil || !strings.Contains(response.Error.Error(), want) {
			t.Errorf("%s: %v, want %q", query, response.Error, want)
		}
	}
}

func TestRemarks(t *testing.T) {
	d := threeHosts()
	for query, want := range map[string]string{
		`{"version":2,"attributes":["sip"],"mirror":true}`:  "mirror has no effect on this type of query",
		`{"version":2,"attributes":["sip"],"resolve":true}`: "reverse lookup is switched off in the data source's settings",
		`{"version":2,"attributes":["sip"],"limit":1}`:      "the first 1 of",
	} {
		list := answered(t, d, query)
		n := list[0].Meta.Notices
		if len(n) != 2 || !strings.Contains(n[1].Text, want) {
			t.Errorf("%s: notices %v, want %q", query, n, want)
		}
	}
}

func TestLabelsAsColumns(t *testing.T) {
	list := answered(t, threeHosts(), `{"version":2,"attributes":["label.company","dport"],"condition":"dport = 443"}`)
	if diff := cmp.Diff([]string{"acme 443 76500", "other 443 1000"}, cells(t, list[0], "label.company", "dport", "bytes")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestReportWithAHostThatHangs: it costs the report its part, not the answer.
func TestReportWithAHostThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := Settings{Timeout: 20 * time.Second}
		servers := []server{
			{Server: Server{Name: "a"}, client: ledger("a", entry{10 * minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(10, 10, 0)}), close: func() error { return nil }},
			{Server: Server{Name: "hangs"}, client: lagging{newFake("hangs"), time.Hour}, close: func() error { return nil }},
		}
		d, err := newDataSource("weir", settings, servers, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		response := d.query(t.Context(), backend.DataQuery{JSON: []byte(`{"version":2,"queryType":"path","a":"10.0.0.1","b":"192.0.2.10"}`), TimeRange: lastHour}, false)
		if response.Error != nil || cells(t, response.Frames[2], "verdict")[0] != "accepted" {
			t.Errorf("%v %v", response.Error, response.Frames)
		}
		if took := time.Since(began); took > 26*time.Second {
			t.Errorf("it took %s", took)
		}
		if n := response.Frames[0].Meta.Notices; len(n) == 0 || !strings.Contains(n[0].Text, "hangs (") {
			t.Errorf("notices %v", n)
		}
	})
}
