package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

func health(t *testing.T, body string) actors.Health {
	t.Helper()
	var h actors.Health
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return h
}

func TestActors(t *testing.T) {
	var matched []bool
	querier := fake{func(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		matched = nil
		for _, text := range []string{"203.0.113.9", "203.0.113.10"} {
			source, family := flow.AddressFrom(netip.MustParseAddr(text))
			row := filter.Row{Key: flow.Key{Source: source, Family: family}}
			matched = append(matched, q.Matcher.Row(&row))
		}
		return result(1), nil
	}}
	cfg := insecure()
	cfg.Limits.List, cfg.Limits.Body = 4000, 500
	cfg.Listen = append(cfg.Listen, Listen{TCP: "127.0.0.1:0", Insecure: &Insecure{Allow: loopback.Allow, Role: RoleAdmin}})
	s, log := start(t, cfg, Deps{Querier: querier})
	admin := "http://" + s.Addrs()[1].String()
	upload := func(at, parameters, list string) (*http.Response, string) {
		return send(t, http.DefaultClient, "POST", at+"/_actors"+parameters, list)
	}
	ask := func(list string) int {
		response, _ := send(t, http.DefaultClient, "POST", base(s)+"/_query", `{"query":"sip","ifaces":"any","condition":"sip = @`+list+`"}`)
		return response.StatusCode
	}

	response, body := upload(base(s), "", "203.0.113.9\nnonsense\n10.0.0.1\n")
	h := health(t, body)
	if response.StatusCode != 201 || h.Entries != 2 || h.FaultCount != 1 || h.Faults[0].Line != 2 || h.State != actors.StateWarning || len(h.Hash) != 64 {
		t.Fatalf("%d: %s", response.StatusCode, body)
	}
	if response, body := upload(base(s), "?format=csv", "ip\n10.0.0.1\n203.0.113.9\n"); response.StatusCode != 200 || health(t, body).Hash != h.Hash {
		t.Errorf("the same list again: %d %s", response.StatusCode, body)
	}
	if ask(h.Hash) != 200 || !matched[0] || matched[1] {
		t.Errorf("asked with the hash, 203.0.113.9 and .10 match: %v", matched)
	}
	if response, _ := send(t, http.DefaultClient, "GET", base(s)+"/_actors/"+h.Hash, ""); response.StatusCode != 200 {
		t.Error("the list is not there")
	}
	response, body = send(t, http.DefaultClient, "GET", base(s)+"/_actors/"+strings.Repeat("0", 64), "")
	wantProblem(t, response, body, 404)

	// What a name means is for admins to say.
	if ask("c2") != 422 {
		t.Error("a list that is not there is known")
	}
	response, body = upload(base(s), "?name=c2", "203.0.113.10\n")
	wantProblem(t, response, body, 403)
	if response, _ := upload(admin, "?name=c2", "203.0.113.10\n"); response.StatusCode != 201 || ask("c2") != 200 || matched[0] || !matched[1] {
		t.Errorf("named: %d, %v", response.StatusCode, matched)
	}
	_, body = send(t, http.DefaultClient, "GET", base(s)+"/_actors", "")
	if !strings.HasPrefix(body, `{"lists":[{"name":"c2","hash":"`) || strings.Count(body, `"hash"`) != 2 || strings.Contains(body, "203.0.113") {
		t.Errorf("GET /_actors: %s", body)
	}

	for _, test := range []struct {
		parameters, list string
		status           int
		part             string
	}{
		{"", "# nothing\n", 422, "holds no address"},
		{"", "bad\nworse\n", 422, "line 2"},
		{"?format=xml", "203.0.113.9\n", 422, "csv, drop"},
		{"?nam=c2", "203.0.113.9\n", 422, "known are name and format"},
		{"?name=a/b", "203.0.113.9\n", 422, "letters, digits"},
		{"?name=" + strings.Repeat("a", 64), "203.0.113.9\n", 422, "hash of another"},
		{"", strings.Repeat("203.0.113.9\n", 1000), 413, "limit of 4000 bytes"},
	} {
		response, body := upload(admin, test.parameters, test.list)
		if p := wantProblem(t, response, body, test.status); !strings.Contains(body, test.part) {
			t.Errorf("%s %.20q: %v", test.parameters, test.list, p)
		}
	}
	if response, _ := upload(base(s), "", strings.Repeat("203.0.113.9\n", 200)); response.StatusCode/100 != 2 {
		t.Error("the limit of queries applies to lists")
	}
	if text := log.String(); !strings.Contains(text, "msg=list") || !strings.Contains(text, "hash="+h.Hash) || !strings.Contains(text, "entries=2") {
		t.Errorf("uploads are not in the audit log: %s", text)
	}
}
