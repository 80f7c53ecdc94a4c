package plugin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
)

// TestSavedQueries decodes the file that the front end's tests decode too.
func TestSavedQueries(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(testenv.Root(), "src", "testdata", "query.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Description string
		Query       json.RawMessage
		Decoded     Query
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 5 {
		t.Fatalf("only %d saved queries", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Description, func(t *testing.T) {
			got, err := DecodeQuery(c.Query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.Decoded, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeQueryRefuses(t *testing.T) {
	for _, test := range []struct{ query, want string }{
		{`{`, "read the saved query"},
		{`{"limit": "many"}`, `limit "many": not a number`},
		{`{"attributes": "sip"}`, `member "attributes" can't be a string`},
		{`{"version": 3}`, "saved by a newer version"},
		{`{"queryType": "graph"}`, `query type "graph": not one of table, timeseries, actors`},
		{`{"direction": "up"}`, `direction "up": not one of both, in, out`},
		{`{"direction": "sum"}`, `direction "sum": not one of both, in, out`},
		{`{"value": "flows"}`, `value "flows": not one of bytes, packets`},
		{`{"unit": "bps"}`, `unit "bps": not one of rate, total, average`},
		{`{"limit": -1}`, "limit -1: not within 1 to 100000"},
		{`{"queryType": "timeseries", "limit": 1001}`, "limit 1001: not within 1 to 1000"},
		{`{"limit": 1.5}`, "limit 1.5: not a whole number"},
		{`{"limit": "$top"}`, "variable $top has no value"},
		{`{"limit": []}`, "limit: not a number"},
		{`{"resolve": "$resolve"}`, "variable $resolve has no value"},
		{`{"resolve": "perhaps"}`, `resolve "perhaps": not one of true, false`},
		{`{"enrich": 1}`, "enrich: not one of true, false"},
		{`{"sort": "name"}`, `sort "name": not one of bytes, packets, time`},
		{`{"sort": "time"}`, "sort time: add time to the attributes"},
		{`{"sort": "bytes", "attributes": ["time", "sip"]}`, "sort bytes: rows with time"},
		{`{"queryType": "timeseries", "sort": "time"}`, "sort time: series are ranked"},
		{`{"resolution": "5m"}`, "resolution: only rows with time have one"},
		{`{"dedupe": "min"}`, `dedupe "min": not one of sum, max`},
		{`{"hosts": "company="}`, `hosts "company=": company has no value; if it comes from a variable, choose one there`},
		{`{"hosts": "company!=|"}`, "company has no value"},
		{`{"hosts": "a,,b"}`, "a name is empty"},
		{`{"hosts": "company=$company"}`, "variable $company has no value"},
		{`{"interfaces": "eth0,"}`, `interfaces "eth0,": a name is empty`},
		{`{"queryType": "path", "a": "10.0.0.1"}`, "path: write both ends"},
		{`{"queryType": "path", "a": "${from}", "b": "10.0.0.1"}`, "variable ${from} has no value"},
		{`{"queryType": "actors"}`, "actors: name a list"},
		{`{"queryType": "nodegraph", "attributes": ["sip"]}`, "a node graph has two"},
		{`{"queryType": "variable", "variable": "colours"}`, `variable "colours": not one of hosts`},
		{`{"queryType": "variable", "variable": "labelValues"}`, "label: name the label"},
		{`{"queryType": "variable", "variable": "values"}`, "lists the values of one attribute"},
		{`{"queryType": "variable", "variable": "values", "attributes": ["time"]}`, "moments are no values"},
		{`{"attributes": ["sip,dip"]}`, "holds a comma"},
		{`{"attributes": []}`, "choose at least one"},
		{`{"attributes": ["dprot"]}`, `unknown attribute "dprot"; did you mean "dport"?`},
		{`{"attributes": ["colour"]}`, `unknown attribute "colour"; expected time, host`},
		{`{"attributes": ["bytes_sent"]}`, `unknown attribute "bytes_sent"`}, // a counter is no attribute
		{`{"condition": "sip = $host"}`, "variable $host has no value here"},
		{`{"condition": "sip = ${host:csv} & dport = 1"}`, "variable ${host:csv} has no value"},
		{`{"interfaces": "[[iface]]"}`, "variable [[iface]] has no value"},
		{`{"attributes": ["$attribute"]}`, "variable $attribute has no value"},
		{`{"servers": ["$__all"]}`, "variable $__all has no value"},
	} {
		_, err := DecodeQuery([]byte(test.query))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.query, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "Go ")) {
			t.Errorf("%s: not for people: %q", test.query, err)
		}
	}
}

// TestVariablesInThePlaceOfNumbers: Grafana puts texts there.
func TestVariablesInThePlaceOfNumbers(t *testing.T) {
	q, err := DecodeQuery([]byte(`{"limit": " 7 ", "resolve": "true", "enrich": ""}`))
	if err != nil || q.Limit != 7 || !q.Resolve || q.Enrich {
		t.Errorf("limit %d, resolve %t, enrich %t: %v", q.Limit, q.Resolve, q.Enrich, err)
	}
}

// TestIdleOptionsAreNamed: an option that does nothing is not passed over in silence.
func TestIdleOptionsAreNamed(t *testing.T) {
	for query, want := range map[string]string{
		`{"compare":"1d","other":true}`:                         "",
		`{"version":2,"mirror":true}`:                           "mirror",
		`{"queryType":"nodegraph","compare":"1d","other":true}`: "other compare",
		`{"queryType":"hosts","sort":"bytes","ascending":true,"resolution":"5m","mirror":true,"resolve":true,"enrich":true,"dedupe":"max"}`: "sort ascending resolution mirror resolve enrich dedupe",
	} {
		q, err := DecodeQuery([]byte(query))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(q.idle(), " "); got != want {
			t.Errorf("%s: idle %q, want %q", query, got, want)
		}
	}
}

func TestRegularExpressionsAreNoVariables(t *testing.T) {
	for _, ifaces := range []string{"/^eth[0-9]+$/", "/(lan|wan)$|^lo$/", "/a{2}$/"} {
		if _, err := DecodeQuery([]byte(`{"interfaces": "` + ifaces + `"}`)); err != nil {
			t.Errorf("interfaces %s: %v", ifaces, err)
		}
	}
}

func TestFields(t *testing.T) {
	for _, test := range []struct {
		queryType  string
		attributes []string
		want       string
	}{
		{typeTable, []string{"sip", "dip"}, "sip dip"},
		{typeTable, []string{"src", " DST ", "port", "protocol"}, "sip dip dport proto"},
		{typeTable, []string{"talk_conv", "apps_port"}, "sip dip dport proto"},
		{typeTable, []string{"sip", "talk_conv", "sip"}, "sip dip"},
		{typeTable, []string{"raw"}, "time host hostid iface sip dip dport proto"},
		{typeSeries, []string{"raw"}, "host hostid iface sip dip dport proto"},
		{typeSeries, []string{"time"}, ""},
	} {
		q := Query{QueryType: test.queryType, Columns: test.attributes}
		fields, err := q.Fields()
		if err != nil {
			t.Errorf("%v: %v", test.attributes, err)
		}
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s %v: fields %q, want %q", test.queryType, test.attributes, got, test.want)
		}
	}
}

// FuzzDecodeQuery: whatever is saved decodes into a complete query or a one-line error, and what was decoded is
// decoded to itself.
func FuzzDecodeQuery(f *testing.F) {
	f.Add([]byte(`{"refId":"A","queryType":"table","attributes":["sip"],"limit":5}`))
	f.Add([]byte(`{"queryType":"timeseries","attributes":[],"direction":"in","value":"packets","unit":"total","other":true}`))
	f.Add([]byte(`{"condition":"$x","servers":[null]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := DecodeQuery(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		q2, err := DecodeQuery(again)
		if err != nil {
			t.Fatalf("%s is refused: %v", again, err)
		}
		if diff := cmp.Diff(q, q2); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
		if q.Limit < 1 || q.Limit > 100_000 {
			t.Errorf("limit %d", q.Limit)
		}
	})
}
