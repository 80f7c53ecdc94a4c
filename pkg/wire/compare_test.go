package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestPrepareCompare(t *testing.T) {
	end := now.Unix()
	for _, test := range []struct {
		first, last, compare string
		from, to             int64
	}{
		{"-1h", "", "", 0, 0},
		{"-1h", "", "1h", end - 7200, end - 3600}, // the spans touch
		{"-1h", "now", "1d", end - 3600 - 86400, end - 86400},
		{"-1h", "9223371974719179007", " -1w ", end - 3600 - 7*86400, end - 7*86400},
		{"-2h", "-1h", "Previous", end - 10801, end - 7201},
		{"-2h", "-1h", "1d12h", end - 7200 - 129600, end - 3600 - 129600},
	} {
		q := prepare(t, Request{Query: "sip", Ifaces: "any", First: test.first, Last: test.last, Compare: test.compare})
		if q.CompareFirst != test.from || q.CompareLast != test.to || q.Compares() != (test.to > 0) {
			t.Errorf("%s..%s compared with %q is %d..%d, want %d..%d", test.first, test.last, test.compare, q.CompareFirst, q.CompareLast, test.from, test.to)
		}
		if q.Compares() && q.CompareLast-q.CompareFirst != min(q.Last, end)-q.First {
			t.Errorf("%s..%s compared with %q: the spans are not equally long", test.first, test.last, test.compare)
		}
	}
	for _, test := range []struct{ first, last, compare, part string }{
		{"-1d", "", "1h", "overlap"},
		{"", "", "1d", "overlap"}, // the default span is longer
		{"-1h", "", "yesterday", "invalid span"},
		{"-1h", "", "previus", `did you mean "previous"?`},
		{"-1h", "", "0s", "invalid span"},
		{"-1h", "", "1.5s", "invalid span"},
		{"-1h", "", "40000d", "before 1970"},
		{"-1h", "", "99999999999999d", "invalid span"},
		{"9000000000", "", "1d", "in the future"},
	} {
		r := Request{Query: "sip", Ifaces: "any", First: test.first, Last: test.last, Compare: test.compare}
		_, err := r.Prepare(now)
		var p *Problem
		if !errors.As(err, &p) || len(p.Errors) != 1 || p.Errors[0].Location != "body.compare" || !strings.Contains(p.Errors[0].Message, test.part) {
			t.Errorf("%+v: %v, want %q at body.compare", test, err, test.part)
		}
	}
}
