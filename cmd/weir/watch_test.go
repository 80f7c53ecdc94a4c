package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// watching is an app on a terminal of 100 × 9 whose keys a test presses.
func watching(out io.Writer) (*app, chan<- byte) {
	keys := make(chan byte)
	return &app{stdout: out, stderr: io.Discard, now: time.Now, getenv: func(string) string { return "dumb" },
		size: func(io.Writer) (int, int) { return 100, 9 },
		keys: func() (<-chan byte, func()) { return keys, func() {} }}, keys
}

// TestTopKeys: a condition is typed in place, and what is wrong with it is said; s sorts in turn.
func TestTopKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		a, keys := watching(&out)
		v := &topVerb{app: a, servers: []string{"a"}, request: wire.Request{Query: "iface", Ifaces: "any", NumResults: 5, SortBy: "bytes"}}
		var asked []string
		v.ask = func(_ context.Context, q *wire.Query) (*wire.Result, error) {
			asked = append(asked, q.Request.Condition+"|"+q.Request.SortBy)
			return &wire.Result{Status: wire.Status{Code: wire.CodeOK}, Rows: []wire.Row{{Labels: wire.Labels{Iface: "eth0"}}}}, nil
		}
		go func() {
			for _, key := range []byte("/dprot = 443\r" + "\x15" + "dport = 442\x7f3\r" + "s" + "/x\x1b" + "q") {
				keys <- key
			}
		}()
		if err := v.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(asked, "; "); got != "|bytes; dport = 443|bytes; dport = 443|packets" {
			t.Errorf("asked %s", got)
		}
		for _, want := range []string{"condition: dprot = 443_", `did you mean`, "condition: dport = 443_", "weir top, dport = 443 at "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not on the screen: %q", want, out.String())
			}
		}
	})
}

// TestStatusRates: rates are those between two looks; a probe that has started anew has none at first, and one that
// does not answer leaves the last picture.
func TestStatusRates(t *testing.T) {
	looks := []string{`{"received_total":1000,"dropped_total":5}`, `{"received_total":21000,"dropped_total":7}`, ``, `{"received_total":3,"dropped_total":0}`}
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		look := looks[min(int(asked.Add(1)), len(looks))-1]
		if look == "" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"status_code":200,"statuses":{"eth0":%s}}`, look)
	}))
	defer server.Close()
	var out strings.Builder
	a, keys := watching(&out)
	clock := time.Date(2026, 11, 21, 5, 22, 0, 0, time.UTC)
	a.now = func() time.Time { return clock.Add(2 * time.Second * time.Duration(asked.Load())) }
	v := &statusVerb{app: a, server: server.URL, format: "txt", watch: leastWatch}
	go func() {
		for asked.Load() < 5 {
			time.Sleep(10 * time.Millisecond)
		}
		keys <- 'q'
	}()
	if err := v.run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	pictures := strings.Split(out.String(), home)
	for i, want := range []string{"", "1.00 k          -", "21.00 k    10.00 k          0        7        1 ", "not refreshed: ", "3          -"} {
		if i >= len(pictures) || !strings.Contains(pictures[i], want) {
			t.Errorf("picture %d has no %q: %q", i, want, pictures[min(i, len(pictures)-1)])
		}
	}
}

// TestWatchEnds with its context.
func TestWatchEnds(t *testing.T) {
	var out strings.Builder
	a, _ := watching(&out)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &watcher{app: a, every: time.Hour, picture: "picture", title: func() string { return "title" }, ask: func(context.Context) (string, error) { return "", errors.New("never") }}
	if err := w.run(ctx); err != nil || !strings.HasSuffix(out.String(), screenOff+"picture") {
		t.Errorf("%v, %q", err, out.String())
	}
}
