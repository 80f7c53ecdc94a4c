package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/dnsstub"
	"github.com/weirflow/weir/pkg/resolve"
	"github.com/weirflow/weir/pkg/wire"
)

// TestNames looks names up at the server: beside the rows, only if wanted, without touching a result that others share.
func TestNames(t *testing.T) {
	dns := dnsstub.Run(t)
	web := netip.MustParseAddr("192.0.2.1")
	dns.Set(dnsstub.Reverse(web), 300, dnsstub.PTR("web.example."))
	dns.Set("web.example.", 300, dnsstub.A(web))
	resolver, err := resolve.New(resolve.DefaultConfig(), resolve.Deps{Dial: dns.Dial})
	if err != nil {
		t.Fatal(err)
	}
	result := &wire.Result{Rows: []wire.Row{{Attributes: wire.Attributes{Source: web}}, {Attributes: wire.Attributes{Source: netip.MustParseAddr("192.0.2.2")}}}}
	s, _ := start(t, insecure(), Deps{Querier: fake{answer: func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) { return result, nil }}, Resolver: resolver})
	for _, path := range []string{"/_query", "/_query/sse"} {
		for member, want := range map[string]string{
			``:                                    "",
			`,"dns_resolution":{"enabled":false}`: "",
			`,"dns_resolution":{"enabled":true}`:  `"names":{"192.0.2.1":"web.example"}`,
			`,"condition":"sip = web.example"`:    `"lookups":{"web.example":["192.0.2.1"]}`,
		} {
			_, body := send(t, http.DefaultClient, "POST", base(s)+path, fmt.Sprintf(`{"query":"sip","ifaces":"any"%s}`, member))
			if strings.Contains(body, `"names"`) != strings.Contains(want, `"names"`) || !strings.Contains(body, want) {
				t.Errorf("%s %s: %s", path, member, body)
			}
		}
	}
	if result.Summary.Names != nil || result.Query.Lookups != nil {
		t.Error("the shared result was changed")
	}
}
