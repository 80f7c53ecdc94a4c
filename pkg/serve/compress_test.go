package serve

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/weirflow/weir/pkg/wire"
)

// unpacked reads a body by its Content-Encoding.
func unpacked(t *testing.T, response *http.Response, body io.Reader) io.Reader {
	t.Helper()
	switch encoding := response.Header.Get("Content-Encoding"); encoding {
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "zstd":
		z, err := zstd.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	case "":
		return body
	default:
		t.Fatalf("encoding %q", encoding)
		return nil
	}
}

func TestCompression(t *testing.T) {
	s, _ := start(t, insecure(), Deps{Querier: fake{func(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		return result(int(q.Limit)), nil
	}}})
	const large, small = `{"query":"sip","ifaces":"any","num_results":1000}`, `{"query":"sip","ifaces":"any","num_results":1}`
	for _, test := range []struct{ accept, path, body, encoding string }{
		{"gzip", "/_query", large, "gzip"}, {"zstd", "/_query", large, "zstd"}, {"gzip, zstd;q=0.9", "/_query", large, "gzip"},
		{"gzip, zstd", "/_query", large, "zstd"}, {"br", "/_query", large, ""}, {"gzip;q=0", "/_query", large, ""},
		{"identity", "/_query", large, ""}, {"gzip, zstd", "/_query", small, ""}, {"zstd", "/_query/sse", large, "zstd"},
	} {
		response, body := send(t, http.DefaultClient, "POST", base(s)+test.path, test.body, "Accept-Encoding", test.accept)
		if got := response.Header.Get("Content-Encoding"); got != test.encoding {
			t.Errorf("%s of %s: encoding %q, want %q", test.path, test.accept, got, test.encoding)
		}
		text, err := io.ReadAll(unpacked(t, response, strings.NewReader(body)))
		if err != nil || test.body == large && strings.Count(string(text), `"br"`) != 1000 {
			t.Errorf("%s of %s: %d rows, %v", test.path, test.accept, strings.Count(string(text), `"br"`), err)
		}
	}
}

// An event is there when it was sent, not when the compressor has enough.
func TestCompressedStreamIsPrompt(t *testing.T) {
	for _, encoding := range []string{"gzip", "zstd"} {
		read := make(chan struct{})
		s, _ := start(t, insecure(), Deps{Querier: fake{func(_ context.Context, _ *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
			progress(result(1))
			<-read
			return result(2), nil
		}}})
		r, _ := http.NewRequestWithContext(t.Context(), "POST", base(s)+"/_query/sse", strings.NewReader(question))
		r.Header.Set("Accept-Encoding", encoding)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.Header.Get("Content-Encoding") != encoding {
			t.Errorf("the stream is not compressed with %s", encoding)
		}
		stream := bufio.NewReader(unpacked(t, response, response.Body))
		if line, err := stream.ReadString('\n'); err != nil || line != "event: partialResult\n" {
			t.Errorf("%s: %q, %v", encoding, line, err)
		}
		close(read)
		if rest, err := io.ReadAll(stream); err != nil || !strings.Contains(string(rest), "event: finalResult\n") {
			t.Errorf("%s: %v", encoding, err)
		}
	}
}
