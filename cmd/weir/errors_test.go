package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

func TestReport(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		want string
	}{
		{usage("what", "how"), 2, "weir: what\nhint: how\n"},
		{failure(errors.New("read eth0: damaged"), ""), 1, "weir: read eth0: damaged\n"},
		{fmt.Errorf("query: %w", context.Canceled), 1, "weir: interrupted\n"},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), 1, "weir: no answer in time\nhint: raise --timeout, or ask for a shorter span\n"},
		{fmt.Errorf("query: %w", &wire.LimitError{What: "groups", Limit: 9, Remedy: "ask for a shorter span"}), 1,
			"weir: the query has more than 9 groups\nhint: ask for a shorter span\n"},
		{&client.Error{Kind: client.KindRefused, Server: "a", Text: "connection refused", Hint: "is it up?"}, 1, "weir: a: connection refused\nhint: is it up?\n"},
		{&client.Error{Kind: client.KindUser, Server: "a", Text: "bad\nquery\x1b[2J"}, 2, "weir: a: bad query\\x1b[2J\n"},
		{&client.Error{Kind: client.KindCanceled, Server: "a", Text: "cancelled", Cause: context.Canceled}, 1, "weir: interrupted\n"},
		{wire.NewProblem(422, "too large", wire.Fault{Message: "ask less"}), 2, "weir: too large: ask less\n"},
		{wire.NewProblem(503, "busy"), 1, "weir: busy\n"},
		{&invalid{&wire.Request{Condition: "a = b\x1b"}, wire.NewProblem(422, "",
			wire.Fault{Location: "body.last", Message: "no time"},
			wire.Fault{Location: "body.condition", Message: "condition, column 5: what?", Position: &wire.Position{Offset: 4, Length: 1}})}, 2,
			"weir: --last: no time\nweir: condition, column 5: what?\n  a = b\ufffd\n      ^\n"},
		{errors.New("else"), 1, "weir: else\n"},
	} {
		var b bytes.Buffer
		a := &app{stderr: &b}
		if code := a.report(test.err); code != test.code || b.String() != test.want {
			t.Errorf("%v: code %d, want %d, text\n%swant\n%s", test.err, code, test.code, b.String(), test.want)
		}
	}
}

func TestNamed(t *testing.T) {
	for text, want := range map[string][2]string{
		"a:8145": {"", "a:8145"}, "https://a/x=y": {"", "https://a/x=y"}, "unix:/a=b": {"", "unix:/a=b"}, "=x": {"", "=x"},
		"berlin=https://a": {"berlin", "https://a"}, "b-1.x=unix:/a=b": {"b-1.x", "unix:/a=b"}, "[::1]:80": {"", "[::1]:80"},
	} {
		if name, address := named(text); name != want[0] || address != want[1] {
			t.Errorf("named(%q) = %q, %q", text, name, address)
		}
	}
}

func TestOutcome(t *testing.T) {
	ok, bad := wire.Status{Code: wire.CodeOK}, wire.Status{Code: wire.CodeError, Message: "x"}
	for _, test := range []struct {
		result wire.Result
		fails  bool
	}{
		{wire.Result{Status: ok}, false},
		{wire.Result{Status: wire.Status{Code: wire.CodeEmpty}}, false},
		{wire.Result{Status: wire.Status{Code: wire.CodeMissingData}}, false},
		{wire.Result{Status: wire.Status{Code: wire.CodeTooManyRequests}}, true},
		{wire.Result{Status: ok, HostsStatuses: map[string]wire.Status{"a": ok, "b": bad}}, false},
		{wire.Result{Status: ok, HostsStatuses: map[string]wire.Status{"a": bad, "b": bad}}, true},
	} {
		if err := outcome(&test.result); (err != nil) != test.fails {
			t.Errorf("%+v: %v", test.result, err)
		}
	}
}

// TestInterrupt ends a query before it starts to read.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	if err := makeStore(dir); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	a := standard()
	a.stdout, a.stderr, a.now = &stdout, &stderr, func() time.Time { return now }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := a.run(ctx, []string{"query", "-d", dir, "-i", "any", "sip"}); code != exitFailure || stdout.Len() > 0 || stderr.String() != "weir: interrupted\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	stderr.Reset()
	if code := a.run(t.Context(), []string{"query", "-d", dir, "-i", "any", "--timeout", "1ns", "sip"}); code != exitFailure || !strings.HasPrefix(stderr.String(), "weir: no answer in time\n") {
		t.Errorf("code %d, stderr %q", code, stderr.String())
	}
}
