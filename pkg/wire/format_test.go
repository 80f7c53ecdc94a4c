package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNegotiate(t *testing.T) {
	for accept, want := range map[string]Format{
		"":                 FormatJSON,
		" ":                FormatJSON,
		"*/*":              FormatJSON,
		"application/json": FormatJSON, "application/x-ndjson": FormatNDJSON, "Application/vnd.apache.arrow.STREAM": FormatArrow,
		"application/vnd.apache.arrow.stream, application/json;q=0.5": FormatArrow,
		"application/json;q=0.5, application/x-ndjson;q=0.7":          FormatNDJSON,
		"application/*, application/json;q=0":                         FormatNDJSON,
		"application/*;q=0.1, application/json; q=0, */*;q=1":         FormatNDJSON,
		"text/html,application/xhtml+xml,*/*;q=0.8":                   FormatJSON, // a browser
		"text/event-stream, application/problem+json, */*":            FormatJSON,
		"application/json; charset=utf-8":                             FormatJSON,
		"application/x-ndjson;q=nan":                                  FormatNDJSON,
		"nonsense, application/x-ndjson":                              FormatNDJSON,
	} {
		if got, err := Negotiate(accept); got != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", accept, got, err, want)
		}
	}
	for _, accept := range []string{"text/html", "application/json;q=0", "text/event-stream", ",", "\x00", strings.Repeat("a/b,", 40) + "application/json"} {
		_, err := Negotiate(accept)
		var p *Problem
		if !errors.As(err, &p) || p.Status != 406 || !strings.Contains(p.Errors[0].Message, "application/x-ndjson") {
			t.Errorf("%q: %v", accept, err)
		}
	}
	for _, f := range []Format{FormatJSON, FormatNDJSON, FormatArrow} {
		if got, ok := ParseMediaType(f.MediaType() + "; charset=utf-8"); got != f || !ok {
			t.Errorf("%s is read as %q", f.MediaType(), got)
		}
	}
	if _, ok := ParseMediaType("text/plain"); ok || Format("x").MediaType() != "" {
		t.Error("a format that does not exist has a name")
	}
}

func TestNDJSON(t *testing.T) {
	many := sample()
	many.Rows[1].Labels.Iface = "eth0"
	many.Rows[0].Attributes.SourceBits = 24
	for range 2000 {
		many.Rows = append(many.Rows, many.Rows[0])
	}
	empty := sample()
	empty.Rows = []Row{}
	for name, r := range map[string]*Result{"many": many, "empty": empty} {
		var b bytes.Buffer
		if err := r.WriteNDJSON(&b); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(b.Bytes(), []byte("\n")); got != len(r.Rows)+1 {
			t.Errorf("%s: %d lines for %d rows", name, got, len(r.Rows))
		}
		got, err := ReadNDJSON(bytes.NewReader(b.Bytes()), len(r.Rows))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got, compareAddresses); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if len(r.Rows) == 0 {
			continue
		}
		if _, err := ReadNDJSON(bytes.NewReader(b.Bytes()), len(r.Rows)-1); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("the limit on rows: %v", err)
		}
		cut := b.Bytes()[:bytes.LastIndexByte(b.Bytes()[:b.Len()-1], '\n')+1]
		if _, err := ReadNDJSON(bytes.NewReader(cut), 1<<20); !errors.Is(err, errTruncated) {
			t.Errorf("a stream that was cut: %v", err)
		}
		if _, err := ReadNDJSON(bytes.NewReader(append(b.Bytes(), "{}"...)), 1<<20); err == nil {
			t.Error("something after the end is taken")
		}
	}
	for _, bad := range []string{"", "{}", "[]", "x\n", `{"labels":{}`, `{"labels":7}` + "\n"} {
		if _, err := ReadNDJSON(strings.NewReader(bad), 9); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if err := many.WriteNDJSON(failing{errTruncated}); !errors.Is(err, errTruncated) {
		t.Errorf("WriteNDJSON: %v", err)
	}
}
