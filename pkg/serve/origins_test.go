package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/wire"
)

// atlas knows where addresses of IPv6 belong.
type atlas struct{}

func (atlas) Origins(addresses []netip.Addr) map[netip.Addr]wire.Origin {
	found := map[netip.Addr]wire.Origin{}
	for _, a := range addresses {
		if a.Is6() {
			found[a] = wire.Origin{Country: "DE", ASN: 64500, Organisation: "Example"}
		}
	}
	return found
}

// What is behind a server need not know where addresses belong; a shared result stays as it is.
func TestEnrich(t *testing.T) {
	shared := top25()
	querier := fake{func(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		if q.Request.Enrich {
			t.Error("the question is passed on")
		}
		return shared, nil
	}}
	s, _ := start(t, insecure(), Deps{Querier: querier, Origins: atlas{}})
	const with, without = `{"query":"sip,dip","ifaces":"any","enrich":true}`, `{"query":"sip,dip","ifaces":"any"}`
	for _, test := range []struct {
		path, body string
		want       int
	}{{"/_query", with, 25}, {"/_query", without, 0}, {"/_query/sse", with, 25}} {
		response, body := send(t, http.DefaultClient, "POST", base(s)+test.path, test.body)
		if _, data, found := strings.Cut(body, "data: "); found {
			body = data
		}
		var result wire.Result
		if err := json.NewDecoder(strings.NewReader(body)).Decode(&result); err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response.Status, err)
		}
		if n := len(result.Summary.Enrichment); n != test.want {
			t.Errorf("%s %s: %d origins, want %d", test.path, test.body, n, test.want)
		}
		for a, o := range result.Summary.Enrichment {
			if !a.Is6() || o.ASN != 64500 {
				t.Errorf("%s is in %+v", a, o)
			}
		}
	}
	if shared.Summary.Enrichment != nil {
		t.Error("the shared result was changed")
	}
	if !slices.Contains(s.deps.Info.Features, wire.FeatureEnrich) {
		t.Errorf("features %v", s.deps.Info.Features)
	}
	_, body := send(t, http.DefaultClient, "GET", base(s)+"/_catalog", "")
	if !strings.Contains(body, `"features":["enrich"]`) {
		t.Errorf("catalog: %s", body)
	}
}

func TestEnrichIsRefusedWithoutFiles(t *testing.T) {
	s, _ := start(t, insecure(), Deps{})
	for path, body := range map[string]string{"/_query": `{"query":"sip","ifaces":"any","enrich":true}`, "/_query/validate": `{"query":"sip","ifaces":"any","enrich":true}`} {
		response, answer := send(t, http.DefaultClient, "POST", base(s)+path, body)
		if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(answer, "body.enrich") || !strings.Contains(answer, "files of countries") {
			t.Errorf("%s: %s %s", path, response.Status, answer)
		}
	}
	if response, answer := send(t, http.DefaultClient, "GET", base(s)+"/_query/validate?query=sip&ifaces=any&enrich=true", ""); response.StatusCode != http.StatusUnprocessableEntity ||
		!strings.Contains(answer, "query.enrich") {
		t.Errorf("parameters: %s %s", response.Status, answer)
	}
}
