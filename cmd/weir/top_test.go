package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// TestTop watches for seven seconds: three refreshes, of which the second has no answer.
func TestTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		keys, restored, asked := make(chan byte), false, 0
		a := &app{stdout: &out, now: time.Now, getenv: func(string) string { return "dumb" },
			size: func(io.Writer) (int, int) { return 80, 9 },
			keys: func() (<-chan byte, func()) { return keys, func() { restored = true } }}
		v := &topVerb{app: a, servers: []string{"a"}, request: wire.Request{Query: "iface", Ifaces: "any", NumResults: 5}}
		v.ask = func(_ context.Context, q *wire.Query) (*wire.Result, error) {
			if q.Request.First != "now" || !q.Request.Live {
				t.Errorf("asked for %+v", q.Request)
			}
			if asked++; asked == 3 {
				return nil, errors.New("connection refused\x1b")
			}
			return &wire.Result{Status: wire.Status{Code: wire.CodeOK}, Rows: []wire.Row{{Labels: wire.Labels{Iface: fmt.Sprint("eth", asked)}}}}, nil
		}
		go func() {
			time.Sleep(7 * time.Second)
			keys <- 'x' // means nothing
			keys <- 'q'
		}()
		if err := v.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		pictures := strings.Split(out.String(), home)
		if len(pictures) != 6 || asked != 4 || !restored {
			t.Fatalf("%d pictures, %d questions, restored %v: %q", len(pictures), asked, restored, out.String())
		}
		if !strings.HasPrefix(pictures[0], screenOn) || !strings.Contains(pictures[1], "eth1") || !strings.Contains(pictures[2], "eth2") {
			t.Errorf("%q", pictures)
		}
		if !strings.Contains(pictures[3], "; not refreshed: connection refused\\x1b"+lineRest) || !strings.Contains(pictures[3], "eth2") {
			t.Errorf("without answer: %q", pictures[3])
		}
		if strings.Contains(pictures[4], "not refreshed") || !strings.Contains(pictures[4], "eth4") {
			t.Errorf("with an answer again: %q", pictures[4])
		}
		if n := strings.Count(pictures[2], "\r\n"); n != 8 {
			t.Errorf("%d lines on a screen of 9", n+1)
		}
		if _, left, _ := strings.Cut(pictures[5], screenOff); !strings.Contains(left, "eth4") {
			t.Errorf("left behind: %q", left)
		}
	})
}
