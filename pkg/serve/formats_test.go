package serve

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weirflow/weir/pkg/wire"
)

func TestFormatsByAccept(t *testing.T) {
	s, _ := start(t, insecure(), Deps{Querier: fake{func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) {
		return result(3), nil
	}}})
	for _, test := range []struct {
		accept, contentType string
		status, rows        int
	}{
		{"", "application/json", 200, 3},
		{"*/*", "application/json", 200, 3},
		{"application/json, text/plain, */*", "application/json", 200, 3},
		{"application/x-ndjson", "application/x-ndjson", 200, 3},
		{"application/x-ndjson;q=0.9, application/json;q=0.1", "application/x-ndjson", 200, 3},
		{"text/event-stream, application/problem+json", "text/event-stream", 200, 3},
		{"application/json, text/event-stream", "application/json", 200, 3},
		{"image/png", wire.ProblemType, 406, 0},
		{"garbage;;;,,,", wire.ProblemType, 406, 0},
	} {
		response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "Accept", test.accept)
		if response.StatusCode != test.status || response.Header.Get("Content-Type") != test.contentType || strings.Count(body, `"labels"`) != test.rows {
			t.Errorf("%q: %d %s: %s", test.accept, response.StatusCode, response.Header.Get("Content-Type"), body)
		}
		if !strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept") {
			t.Errorf("%q: caches are not told that it depends on Accept", test.accept)
		}
	}
	_, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "Accept", "application/x-ndjson")
	r, err := wire.ReadNDJSON(strings.NewReader(body), 10)
	if err != nil || len(r.Rows) != 3 || len(r.Summary.TraceID) != 32 {
		t.Errorf("%+v, %v", r, err)
	}
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "Accept", "application/vnd.apache.arrow.stream")
	stream, err := ipc.NewReader(strings.NewReader(body))
	if err != nil || response.Header.Get("Content-Type") != "application/vnd.apache.arrow.stream" {
		t.Fatalf("%s: %v", response.Header.Get("Content-Type"), err)
	}
	defer stream.Release()
	rows := int64(0)
	for stream.Next() {
		rows += stream.RecordBatch().NumRows()
	}
	if rows != 3 || stream.Err() != nil {
		t.Errorf("%d rows, %v", rows, stream.Err())
	}
	// The stream of /_query/sse has one format.
	if response, _ := send(t, http.DefaultClient, "POST", base(s)+"/_query/sse", question, "Accept", "application/x-ndjson"); response.Header.Get("Content-Type") != "text/event-stream" {
		t.Error("the path of streams answers with " + response.Header.Get("Content-Type"))
	}
}
