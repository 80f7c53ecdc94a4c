package plugin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/wire"
)

// call makes a resource call as Grafana does and decodes its answer.
func call(t *testing.T, d *DataSource, method, url, body string, into any) int {
	t.Helper()
	path, _, _ := strings.Cut(url, "?")
	var status int
	var answer []byte
	err := d.CallResource(t.Context(), &backend.CallResourceRequest{Method: method, Path: path, URL: url, Body: []byte(body)},
		backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error {
			if r.Status != 0 {
				status = r.Status
			}
			answer = append(answer, r.Body...)
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %v in %q", method, url, err, answer)
		}
	}
	return status
}

func TestCatalogResource(t *testing.T) {
	down := newFake("berlin")
	down.err = closed("berlin:8145")
	d := sourceOf([]string{"amsterdam", "berlin", "cairo"}, newFake("amsterdam"), down, newFake("cairo"))
	var got Catalog
	if status := call(t, d, http.MethodGet, "catalog", "", &got); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	want := []CatalogInterface{
		{Name: "amsterdam0", Servers: []string{"amsterdam"}}, {Name: "cairo0", Servers: []string{"cairo"}},
		{Name: "eth0", Servers: []string{"amsterdam", "cairo"}},
	}
	if diff := cmp.Diff(want, got.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wire.CatalogFields(), got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	var states []string
	for _, s := range got.Servers {
		states = append(states, s.Name+" "+string(s.State))
		if (s.Catalog == nil) != (s.Error != "") {
			t.Errorf("server %+v: either a catalog or an error", s)
		}
	}
	if diff := cmp.Diff([]string{"amsterdam ok", "berlin error", "cairo ok"}, states); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
}

func TestInterfacesAndFieldsResources(t *testing.T) {
	d := sourceOf([]string{"amsterdam", "cairo"}, newFake("amsterdam"), newFake("cairo"))
	for url, want := range map[string][]string{
		"interfaces":                               {"amsterdam0", "cairo0", "eth0"},
		"interfaces?server=cairo":                  {"cairo0", "eth0"},
		"interfaces?server=cairo&server=amsterdam": {"amsterdam0", "cairo0", "eth0"},
		"interfaces?server=nowhere":                {},
	} {
		var got []string
		call(t, d, http.MethodGet, url, "", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
	}
	var fields []wire.CatalogField
	call(t, d, http.MethodGet, "fields", "", &fields)
	if diff := cmp.Diff(wire.CatalogFields(), fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// TestEditorWorksWithoutServers: lists are empty, not null, and the fields are those the plugin knows.
func TestEditorWorksWithoutServers(t *testing.T) {
	d := sourceOf(nil)
	var raw map[string]json.RawMessage
	call(t, d, http.MethodGet, "catalog", "", &raw)
	if string(raw["servers"]) != "[]" || string(raw["interfaces"]) != "[]" || len(raw["fields"]) < 100 || len(raw["shorthands"]) < 10 {
		t.Errorf("catalog %s", raw)
	}
}

func TestValidateResource(t *testing.T) {
	d := sourceOf([]string{"amsterdam"}, newFake("amsterdam"))
	var good validation
	if status := call(t, d, http.MethodPost, "validate", `{"condition":"dport = 443"}`, &good); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if !good.Valid || !strings.Contains(good.Normalised, "dport") || good.Error != nil {
		t.Errorf("valid condition: %+v", good)
	}
	var blank validation
	call(t, d, http.MethodPost, "validate", `{"condition":""}`, &blank)
	if !blank.Valid {
		t.Errorf("no condition: %+v", blank)
	}
	var bad struct {
		Valid bool
		Error map[string]any
	}
	if status := call(t, d, http.MethodPost, "validate", `{"condition":"sip = 10.0.0.1 & dprt = 443"}`, &bad); status != http.StatusOK {
		t.Errorf("status %d: a wrong condition is an answer", status)
	}
	if bad.Valid || bad.Error["offset"] != 17.0 || bad.Error["length"] != 4.0 || bad.Error["nearest"] != "dport" ||
		bad.Error["message"] == "" || bad.Error["diagram"] == "" {
		t.Errorf("wrong condition: %+v", bad)
	}
	if _, ok := bad.Error["expected"].([]any); !ok {
		t.Errorf("expected is %v, want a list", bad.Error["expected"])
	}
}

func TestCommandResource(t *testing.T) {
	d := sourceOf([]string{"amsterdam"}, newFake("amsterdam"))
	var got struct{ Command, Message string }
	if status := call(t, d, http.MethodPost, "command", `{"attributes":["sip"],"limit":7}`, &got); status != http.StatusOK {
		t.Errorf("status %d: %s", status, got.Message)
	}
	if !strings.HasPrefix(got.Command, "weir query ") || !strings.Contains(got.Command, "sip") {
		t.Errorf("command %q", got.Command)
	}
	got.Command = ""
	call(t, d, http.MethodPost, "command", `{"attributes":["sip"],"range":{"from":"2026-11-21T10:00:00Z","to":"2026-11-21T11:00:00Z"}}`, &got)
	if !strings.Contains(got.Command, "2026-11-21T10:00:01Z") || !strings.Contains(got.Command, "2026-11-21T11:00:00Z") {
		t.Errorf("command %q lacks the range", got.Command)
	}
	if status := call(t, d, http.MethodPost, "command", `{"attributes":["nope"]}`, &got); status != http.StatusBadRequest || !strings.Contains(got.Message, "nope") {
		t.Errorf("wrong query: status %d, message %q", status, got.Message)
	}
}

func TestResourcesRefuse(t *testing.T) {
	d := sourceOf([]string{"amsterdam"}, newFake("amsterdam"))
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodPost, "validate", strings.Repeat("x", resourceBody+1), http.StatusRequestEntityTooLarge},
		{http.MethodPost, "validate", `{"condition":`, http.StatusBadRequest},
		{http.MethodPost, "validate", `{"condition":1}`, http.StatusBadRequest},
		{http.MethodPost, "validate", "", http.StatusBadRequest},
		{http.MethodPost, "command", `{"range":{"from":"yesterday"}}`, http.StatusBadRequest},
		{http.MethodGet, "validate", "", http.StatusMethodNotAllowed},
		{http.MethodGet, "nothing", "", http.StatusNotFound},
		{http.MethodDelete, "catalog", "", http.StatusMethodNotAllowed},
	} {
		if status := call(t, d, test.method, test.path, test.body, nil); status != test.status {
			t.Errorf("%s %s %.20q: status %d, want %d", test.method, test.path, test.body, status, test.status)
		}
	}
}

func TestCompleteResource(t *testing.T) {
	d := threeHosts()
	for _, test := range []struct{ text, want string }{
		{"dpo", "dport"}, {"iface = e", "eth0"}, {"label.", "label.company"}, {"label.company = ", "acme"}, {"dport = 443 ", "&"},
	} {
		var list []struct {
			Text           string
			Offset, Length int
			Kind           string
		}
		body, _ := json.Marshal(map[string]any{"text": test.text, "cursor": len(test.text)})
		if status := call(t, d, http.MethodPost, "complete", string(body), &list); status != http.StatusOK {
			t.Errorf("%q: status %d", test.text, status)
		}
		found := false
		for _, c := range list {
			found = found || c.Text == test.want && c.Kind != "" && c.Offset+c.Length <= len(test.text)
		}
		if !found {
			t.Errorf("%q: %v lacks %s", test.text, list, test.want)
		}
	}
}

func TestValuesResource(t *testing.T) {
	d := threeHosts()
	var list []struct{ Text, Value string }
	if status := call(t, d, http.MethodPost, "values", `{"attribute":"dport","condition":"dip = 192.0.2.10","range":{"from":"2026-11-21T11:00:00Z","to":"2026-11-21T12:00:00Z"}}`, &list); status != http.StatusOK ||
		len(list) != 2 || list[0].Value != "443" || list[1].Text != "22" {
		t.Errorf("status %d, values %v", status, list)
	}
	for _, body := range []string{`{"attribute":"colour"}`, `{"attribute":""}`, `{"attribute":"dport","hosts":"company="}`, `{"attribute":"dport","condition":"sip ="}`} {
		var failed struct{ Message string }
		if status := call(t, d, http.MethodPost, "values", body, &failed); status != http.StatusBadRequest || failed.Message == "" {
			t.Errorf("%s: status %d, %q", body, status, failed.Message)
		}
	}
}

func TestHostsLabelsAndListsResources(t *testing.T) {
	d := threeHosts()
	var hosts []struct{ Name, State string }
	call(t, d, http.MethodGet, "hosts?hosts=company%3Dacme", "", &hosts)
	if len(hosts) != 1 || hosts[0].Name != "amsterdam" || hosts[0].State != "ok" {
		t.Errorf("hosts %v", hosts)
	}
	var labels map[string][]string
	call(t, d, http.MethodGet, "labels", "", &labels)
	if diff := cmp.Diff(map[string][]string{"company": {"acme", "other"}, "site": {"ams", "ber"}}, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	var lists []any
	if status := call(t, d, http.MethodGet, "lists", "", &lists); status != http.StatusOK || lists == nil {
		t.Errorf("lists: status %d, %v", status, lists)
	}
	var failed struct{ Message string }
	if status := call(t, d, http.MethodGet, "hosts?hosts=nowhere", "", &failed); status != http.StatusBadRequest || !strings.Contains(failed.Message, "nowhere") {
		t.Errorf("status %d, %q", status, failed.Message)
	}
}

func TestCommandsOfReports(t *testing.T) {
	d := threeHosts()
	for query, want := range map[string]string{
		`{"queryType":"path","a":"10.0.0.1","b":"web.example; rm"}`: "-i any 10.0.0.1 'web.example; rm'",
		`{"queryType":"actors","actors":"@bad"}`:                    "weir actors hits",
		`{"queryType":"asymmetry","limit":7}`:                       "-n 7",
		`{"queryType":"hosts"}`:                                     "",
	} {
		var got struct{ Command, Message string }
		if status := call(t, d, http.MethodPost, "command", query, &got); status != http.StatusOK || !strings.Contains(got.Command, want) || (want == "") != (got.Command == "") {
			t.Errorf("%s: status %d, %q, want %q", query, status, got.Command, want)
		}
	}
}
