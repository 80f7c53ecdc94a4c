package serve

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// Every query that goProbe's own clients were seen to send gets an answer from an insecure listener.
func TestRecordedRequests(t *testing.T) {
	folder := testenv.Shared(t, "goprobe-v4-clients")
	files, err := filepath.Glob(filepath.Join(folder, "*.request.txt"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, insecure(), Deps{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.9")}, nil
	}})
	queries := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for one := range strings.SplitSeq(string(text), "\n----\n") {
			one = strings.ReplaceAll(one, "\r", "")
			head, body, _ := strings.Cut(strings.TrimLeft(one, "\n"), "\n\n")
			line, headers, _ := strings.Cut(head, "\n")
			method, rest, _ := strings.Cut(line, " ")
			path, _, _ := strings.Cut(rest, " ")
			if method != "POST" || path != "/_query" && path != "/_query/sse" {
				continue
			}
			queries++
			r, err := http.NewRequestWithContext(t.Context(), method, base(s)+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for header := range strings.SplitSeq(headers, "\n") {
				if name, value, ok := strings.Cut(header, ": "); ok && name != "Host" && name != "Content-Length" {
					r.Header.Set(name, value)
				}
			}
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("%s: %d: %s", filepath.Base(file), response.StatusCode, answer)
			}
			if path == "/_query/sse" && !strings.HasPrefix(string(answer), "event: finalResult\ndata: {") {
				t.Errorf("%s: %.100s", filepath.Base(file), answer)
			}
		}
	}
	if queries < 60 {
		t.Errorf("only %d queries were found", queries)
	}
}
