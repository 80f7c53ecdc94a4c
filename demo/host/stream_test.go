package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// streamBody is the address of a channel as the front end writes it.
func streamBody(uid, path, query string) string {
	return fmt.Sprintf(`{"scope":"ds","namespace":%q,"stream":%q,"path":%q,"data":%s}`, uid, uid, path, query)
}

const streamed = `{"refId":"A","version":2,"queryType":"table","attributes":["sip"],"partial":true,"from":1700000000000,"to":1700003600000,"intervalMs":1000,"maxDataPoints":100}`

// TestStream: the messages of a run are frames, the last of which is the whole answer.
func TestStream(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t), "berlin": probe{host: "berlin"}.url(t)}), nil)
	status, text := do(t, h, http.MethodPost, "/api/live/run", streamBody("weir", "run/1", streamed))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var last data.Frame
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	field, _ := last.FieldByName("bytes")
	if field == nil || field.Len() != 1 || field.At(0) != uint64(7200) {
		t.Errorf("the last frame is not the answer of both hosts: %s", text)
	}
	if progress, _ := json.Marshal(last.Meta.Custom); !strings.Contains(string(progress), `"done":2`) || !strings.Contains(string(progress), `"total":2`) {
		t.Errorf("progress %s", progress)
	}
}

func TestStreamRefuses(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)}), nil)
	for _, test := range []struct {
		name, body string
		status     int
	}{
		{"another data source", streamBody("other", "run/1", streamed), http.StatusNotFound},
		{"another scope", strings.Replace(streamBody("weir", "run/1", streamed), `"ds"`, `"grafana"`, 1), http.StatusNotFound},
		{"another path", streamBody("weir", "nope", streamed), http.StatusForbidden},
		{"a type that is not streamed", streamBody("weir", "run/1", strings.Replace(streamed, "table", "hosts", 1)), http.StatusForbidden},
		{"no address", `{`, http.StatusBadRequest},
	} {
		if status, text := do(t, h, http.MethodPost, "/api/live/run", test.body); status != test.status || !strings.Contains(text, `"message"`) {
			t.Errorf("%s: status %d, %s", test.name, status, text)
		}
	}
}

// TestStreamEndsWithItsViewer: nobody is left to read the messages of a probe that never answers.
func TestStreamEndsWithItsViewer(t *testing.T) {
	asked := make(chan context.Context, 1)
	slow := probe{host: "amsterdam", query: func(ctx context.Context) error {
		asked <- ctx
		<-ctx.Done()
		return ctx.Err()
	}}
	h := start(t, sourceFor(map[string]string{"amsterdam": slow.url(t)}), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- h.Client().RunStream(ctx, "run/1", json.RawMessage(streamed), func([]byte) error { return nil })
	}()
	query := <-asked
	cancel()
	if err := <-done; err == nil {
		t.Error("a stream that was left ended well")
	}
	<-query.Done()
}
