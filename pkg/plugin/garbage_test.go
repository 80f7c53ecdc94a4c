package plugin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/wire"
)

// TestServersThatAnswerBadly: beside servers that answer garbage, or refuse the token, the good one's rows are shown; each
// of the others is named, with what is wrong. Alone they are an error of the source, and the panel beside them lives.
func TestServersThatAnswerBadly(t *testing.T) {
	answering := func(status int, contentType, body string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s
	}
	bad := []struct {
		name, want string
		server     *httptest.Server
	}{
		{"page", "", answering(200, "text/html", "<html><body>It works!</body></html>")},
		{"cut", "", answering(200, "application/json", `{"rows":[{"labels":{`)},
		{"noise", "", answering(200, "application/json", strings.Repeat("\x00\xff[{", 5000))},
		{"expired", "token", answering(401, wire.ProblemType, `{"status":401,"detail":"the token is not known here"}`)},
	}
	good := upstream(t, newFake("good"))
	servers := []map[string]string{{"name": "good", "url": good.URL}}
	for _, b := range bad {
		servers = append(servers, map[string]string{"name": b.name, "url": b.server.URL})
	}
	d := instance(t, map[string]any{"servers": servers, "timeoutSeconds": 5})
	responses := ask(t, d, nil, map[string]string{
		"all":  `{"attributes":["sip"]}`,
		"good": `{"attributes":["sip"],"servers":["good"]}`,
		"page": `{"attributes":["sip"],"servers":["page"]}`,
	})
	if r := responses["good"]; r.Error != nil || r.Frames[0].Rows() == 0 {
		t.Errorf("the good server alone: error %v, %d frames", r.Error, len(r.Frames))
	}
	if r := responses["page"]; r.Error == nil || r.ErrorSource != backend.ErrorSourceDownstream || !strings.Contains(r.Error.Error(), "page") {
		t.Errorf("a server that answers with a page: error %v from %s, want one of the source's that names it", r.Error, r.ErrorSource)
	}
	all := responses["all"]
	if all.Error != nil {
		t.Fatal(all.Error)
	}
	if all.Frames[0].Rows() == 0 {
		t.Error("the good server's rows are not shown")
	}
	var notices strings.Builder
	for _, n := range all.Frames[0].Meta.Notices {
		fmt.Fprintln(&notices, n.Text)
	}
	t.Log(notices.String())
	for _, b := range bad {
		if !strings.Contains(notices.String(), b.name) || !strings.Contains(notices.String(), b.want) {
			t.Errorf("no notice names %s and says %q:\n%s", b.name, b.want, notices.String())
		}
	}
}
