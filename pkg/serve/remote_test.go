package serve

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/wire"
)

// What comes another way than through a listener is let in by a token only, whatever it says of itself, and does what the
// token's role may do.
func TestRemote(t *testing.T) {
	var role Role
	cfg := insecure()
	cfg.Tokens = []Token{{Name: "fleet", Role: RoleQuery, SHA256: hash("secret")}}
	s, log := start(t, cfg, Deps{Querier: fake{answer: func(ctx context.Context, _ *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		role = CallerRole(ctx)
		return result(1), nil
	}}, Extra: []Route{{"PUT /config", RoleAdmin, http.NotFoundHandler()}}})
	for _, test := range []struct {
		method, path, authorization string
		want                        int
	}{
		{"POST", "/_query", "Bearer secret", 200}, {"POST", "/_query", "", 401}, {"POST", "/_query", "Bearer other", 401},
		{"PUT", "/config", "Bearer secret", 403}, {"GET", "/-/health", "", 200}, {"GET", "/metrics", "", 401},
	} {
		r := httptest.NewRequest(test.method, "https://probe"+test.path, strings.NewReader(`{"query":"sip","ifaces":"any"}`)) // with TLS, and a client's certificate
		r.RemoteAddr = "127.0.0.1:1"                                                                                          // which the other listener lets in
		if test.authorization != "" {
			r.Header.Set("Authorization", test.authorization)
		}
		w := httptest.NewRecorder()
		s.Remote().ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s %s with %q: %d %s, want %d", test.method, test.path, test.authorization, w.Code, w.Body, test.want)
		}
	}
	if role != RoleQuery || CallerRole(t.Context()) != RoleNone {
		t.Errorf("the role is %q", role)
	}
	if !strings.Contains(log.String(), "caller=token:fleet") {
		t.Errorf("the audit says: %s", log)
	}
}
