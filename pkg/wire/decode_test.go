package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
)

// tags lists the JSON names of a struct, nested ones after a dot.
func tags(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
			for _, inner := range tags(f.Type.Elem()) {
				list = append(list, name+"."+inner)
			}
			continue
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func TestRequestMembersAreTheStructs(t *testing.T) {
	var got []string
	for name, target := range requestMembers(&Request{}) {
		if inner, ok := target.(members); ok {
			for n := range inner {
				got = append(got, name+"."+n)
			}
			continue
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(tags(reflect.TypeFor[Request]()), got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRequestFull(t *testing.T) {
	file, err := os.Open("testdata/request-full.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := DecodeRequest(file, DefaultBodyLimit)
	if err != nil {
		t.Fatal(err)
	}
	want := &Request{
		Query: "time,iface,sip,dip,dport,proto", Ifaces: "eth0,eth1,!lo", QueryHosts: "fra1,fra2",
		QueryHostsResolverType: "string", Hostname: "client", HostID: 7, Condition: "dport = 443 & proto = tcp",
		In: true, Out: true, First: "-1h", Last: "1790000000", TimeResolution: "10m", Format: "json", SortBy: "packets",
		SortAscending: true, NumResults: 25, DNSResolution: &DNSResolution{Enabled: true, Timeout: time.Second, MaxRows: 25},
		MaxMemPct: 60, LowMem: true, Caller: "weir", KeepAlive: 2 * time.Second, Live: true, Merge: true, Series: true, Other: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	body, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeRequest(strings.NewReader(string(body)), DefaultBodyLimit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("sent on: %s", diff)
	}
}

func TestDecodeRequestNullIsAbsent(t *testing.T) {
	got, err := DecodeRequest(strings.NewReader(`{"query":"sip","ifaces":"any","condition":null,"dns_resolution":null,"in":null}`), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Request{Query: "sip", Ifaces: "any"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRequestFaults(t *testing.T) {
	for _, test := range []struct {
		body   string
		status int
		faults []string // location: part of the message
	}{
		{``, 400, []string{"body: ends too early"}},
		{`{`, 400, []string{"body: ends too early"}},
		{`nonsense`, 400, []string{"body: no JSON object"}},
		{`[1]`, 400, []string{"body: expected an object"}},
		{`null`, 400, []string{"body: expected an object"}},
		{`{"query":"sip","ifaces":"any"} {}`, 400, []string{"body: something follows"}},
		{`{"query":"sip","ifaces":"any",}`, 400, []string{"body: invalid character"}},
		{"\ufeff" + `{"query":"sip","ifaces":"any"}`, 400, []string{"body: invalid character"}},
		{`{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, 400, []string{"body: nests deeper"}},
		{`{"query":"` + strings.Repeat("a", 2000) + `"}`, 413, []string{"body: larger than the limit of 1000"}},
		{`{}`, 422, []string{"body.query: missing", "body.ifaces: missing"}},
		{`{"query":1,"ifaces":["any"],"num_results":"10","in":1,"keepalive":"1s","host_id":-1,"dns_resolution":7}`, 422, []string{
			"body.query: expected a text", "body.ifaces: expected a text", "body.num_results: expected an integer",
			"body.in: expected true or false", "body.keepalive: nanoseconds", "body.host_id: at least 0", "body.dns_resolution: expected an object"}},
		{`{"query":"sip","ifaces":"any","num_results":1.5,"max_mem_pct":1e3,"keepalive":9223372036854775808}`, 422, []string{
			"body.num_results: an integer", "body.max_mem_pct: an integer", "body.keepalive: an integer"}},
		{`{"query":"sip","ifaces":"any","conditon":"x","Query":"sip","frist":"-1h","zzzzzzz":1}`, 422, []string{
			`body.conditon: did you mean "condition"?`, `body.Query: did you mean "query"?`, `body.frist: did you mean "first"?`, "body.zzzzzzz: known are actors, caller, compare, condition"}},
		{`{"query":"sip,dipp","ifaces":"any","num_result":1,"condition":"dport = x","first":7,"last":"-1y","compare":"1h","dns_resolution":{"timeout":-1,"on":1}}`, 422, []string{
			`body.num_result: did you mean "num_results"?`, "body.first: expected a text", "body.dns_resolution.on: unknown member",
			`body.query: did you mean "dip"?`, "body.last: no length of time", "body.dns_resolution.timeout: between 0 and", "body.condition: no port"}},
		{`{"query":"sip","ifaces":"any","last":[],"condition":"sip in @a & dip = www.example.org","compare":"1h"}`, 422, []string{"body.last: expected a text"}},
		{`{"query":"sip","ifaces":"any","query":"dip"}`, 422, []string{"body.query: given twice"}},
		{`{"query":"sip","ifaces":"any","dns_resolution":{"enabeld":true,"timeout":"1s"}}`, 422, []string{
			`body.dns_resolution.enabeld: did you mean "enabled"?`, "body.dns_resolution.timeout: nanoseconds"}},
	} {
		_, err := DecodeRequest(strings.NewReader(test.body), 1000)
		var p *Problem
		if !errors.As(err, &p) || p.Status != test.status || len(p.Errors) != len(test.faults) {
			t.Errorf("%.60s: %v, want status %d and %d faults", test.body, err, test.status, len(test.faults))
			continue
		}
		for i, want := range test.faults {
			location, part, _ := strings.Cut(want, ": ")
			if f := p.Errors[i]; f.Location != location || !strings.Contains(f.Message, part) {
				t.Errorf("%.60s: fault %s: %s; want %s", test.body, f.Location, f.Message, want)
			}
		}
		if _, err := json.Marshal(p); err != nil {
			t.Errorf("%.60s: the problem cannot be written: %v", test.body, err)
		}
	}
}

func TestDecodeRequestManyFaultsAreBounded(t *testing.T) {
	body := `{"query":"sip","ifaces":"any"`
	for i := range 10000 {
		body += `,"m` + strings.Repeat("x", i%50) + `":1`
	}
	_, err := DecodeRequest(strings.NewReader(body+"}"), DefaultBodyLimit)
	var p *Problem
	if !errors.As(err, &p) || len(p.Errors) == 0 || len(p.Errors) > 64 {
		t.Errorf("%d faults", len(p.Errors))
	}
}

func TestDecodeRequestBrokenBody(t *testing.T) {
	_, err := DecodeRequest(io.MultiReader(strings.NewReader(`{"query":`), iotest.ErrReader(errors.New("reset"))), 1000)
	var p *Problem
	if !errors.As(err, &p) || p.Status != 400 || !strings.Contains(p.Error(), "reset") {
		t.Errorf("DecodeRequest: %v", err)
	}
}

// Every request that goProbe's own clients were seen to send is decoded and valid.
func TestDecodeRecordedRequests(t *testing.T) {
	folder := testenv.Shared(t, "goprobe-v4-clients")
	files, err := filepath.Glob(filepath.Join(folder, "*.request.txt"))
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for one := range strings.SplitSeq(string(text), "\n----\n") {
			head, body, _ := strings.Cut(strings.ReplaceAll(one, "\r", ""), "\n\n")
			if !strings.HasPrefix(strings.TrimSpace(head), "POST /_query") {
				continue
			}
			queries++
			r, err := DecodeRequest(strings.NewReader(body), DefaultBodyLimit)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
				continue
			}
			r.Condition = "" // some name hosts; conditions are filter's business
			if _, err := r.Prepare(now); err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
		}
	}
	if queries < 60 {
		t.Errorf("only %d queries were found", queries)
	}
}

func TestDecodeValues(t *testing.T) {
	values := url.Values{
		"query": {"sip,dip"}, "ifaces": {"any"}, "num_results": {"25"}, "sort_ascending": {"true"}, "in": {""}, "keepalive": {""},
		"hosts_resolver": {"string"}, "dns_enabled": {"true"}, "dns_timeout": {"1000000000"}, "dns_max_rows": {"5"},
	}
	got, err := DecodeValues(values)
	if err != nil {
		t.Fatal(err)
	}
	want := &Request{Query: "sip,dip", Ifaces: "any", NumResults: 25, SortAscending: true, QueryHostsResolverType: "string",
		DNSResolution: &DNSResolution{Enabled: true, Timeout: time.Second, MaxRows: 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, _ = DecodeValues(url.Values{"query": {"sip"}, "ifaces": {"any"}}); got.DNSResolution != nil {
		t.Error("absent dns parameters became an object")
	}
}

func TestDecodeValuesFaults(t *testing.T) {
	_, err := DecodeValues(url.Values{"ifaces": {"any"}, "num_results": {"many"}, "first": {"-1h", "-2h"}, "limitt": {"1"}, "in": {"perhaps"}})
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("DecodeValues: %v", err)
	}
	var got []string
	for _, f := range p.Errors {
		got = append(got, f.Location)
	}
	want := []string{"query.first", "query.in", "query.limitt", "query.num_results", "query.query"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAsParameters(t *testing.T) {
	r := Request{Query: "sip", Ifaces: "any", First: "soon", DNSResolution: &DNSResolution{Timeout: -1}}
	_, err := r.Prepare(now)
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	got := p.AsParameters()
	if got.Errors[0].Location != "query.first" || got.Errors[1].Location != "query.dns_timeout" || p.Errors[0].Location != "body.first" {
		t.Errorf("AsParameters() = %+v of %+v", got, p)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	full, err := os.ReadFile("testdata/request-full.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(full))
	f.Add(`{"query":"sip","ifaces":"any","time_resolution":"auto","first":"-1d"}`)
	f.Add(`{"query":"time,sip","ifaces":"/eth/","condition":"dir = in","series":true,"other":true,"dns_resolution":{}}`)
	f.Add(`{"query":"sip/24,dip/48","ifaces":"any","first":"-1h","compare":"1d","explain":true,"actors":{"set":["::1","10.0.0.1-10.0.0.9","10.0.0.0/8"]}}`)
	f.Add(`{"query":"sip/129","ifaces":"any","compare":"previous","actors":{"list":"a b"},"first":"Wed Oct 21 06:04:38 2026","last":"9223371974719179007"}`)
	f.Add(`{"query":"sip/1,sip","ifaces":1,"compare":"-1h","frist":0,"actors":{"list":"a","set":["x"]},"condition":"host in @a & bytes > 1MB"}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := DecodeRequest(strings.NewReader(body), 4096)
		var p *Problem
		if err != nil {
			if !errors.As(err, &p) || p.Status < 400 || p.Status > 499 || len(p.Errors) == 0 {
				t.Fatalf("not a user's fault: %v", err)
			}
			return
		}
		q, err := r.PrepareWith(context.Background(), now, Names{List: ListElsewhere})
		if err != nil {
			if !errors.As(err, &p) || p.Status != 422 || len(p.Errors) == 0 {
				t.Fatalf("not a user's fault: %v", err)
			}
			if _, err := json.Marshal(p); err != nil {
				t.Fatalf("the problem cannot be written: %v", err)
			}
			return
		}
		if len(q.Columns) == 0 || q.Limit < 1 || q.First < 0 || q.Last > EndOfTime || q.Resolution < 0 || q.SortBy == "" ||
			q.Compares() && (q.CompareFirst < 0 || q.CompareFirst > q.CompareLast || q.CompareShift() < q.CompareLast-q.CompareFirst) {
			t.Fatalf("an invalid query passed: %+v", q)
		}
		sent, err := json.Marshal(q.Request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeRequest(strings.NewReader(string(sent)), 1<<20); err != nil {
			t.Fatalf("what is sent on is refused: %s: %v", sent, err)
		}
	})
}

// FuzzDecodeValues: what is wrong with a query string is the user's fault, at a parameter.
func FuzzDecodeValues(f *testing.F) {
	f.Add("query=sip&ifaces=any&actors_set=::1,10.0.0.0/8&dns_timeout=1000&compare=1d&first=-1h")
	f.Add("query=sip/24&query=dip&iface=any&num_results=x&actors_list=@a&dns_enabled=1&last=-1y")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		r, err := DecodeValues(values)
		if err == nil {
			if _, err = r.PrepareWith(context.Background(), now, Names{List: ListElsewhere}); err == nil {
				return
			}
			var p *Problem
			if !errors.As(err, &p) {
				t.Fatalf("not a user's fault: %v", err)
			}
			err = p.AsParameters()
		}
		var p *Problem
		if !errors.As(err, &p) || p.Status != 422 || len(p.Errors) == 0 {
			t.Fatalf("not a user's fault: %v", err)
		}
		for _, fault := range p.Errors {
			if !strings.HasPrefix(fault.Location, "query.") {
				t.Fatalf("%q: the fault is at %s", text, fault.Location)
			}
		}
	})
}
