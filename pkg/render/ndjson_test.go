package render

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/wire"
)

// TestNDJSON reads the rows back: one on each line, even if names hold line feeds.
func TestNDJSON(t *testing.T) {
	for name, r := range map[string]*wire.Result{"pair": pair(), "hostile": hostile(), "none": {}} {
		var b strings.Builder
		if err := NDJSON(&b, r); err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(b.String(), "\n")
		if last := len(lines) - 1; lines[last] != "" || last != len(r.Rows) {
			t.Fatalf("%s: %d rows, %q", name, len(r.Rows), lines)
		}
		for i, row := range r.Rows {
			var read wire.Row
			if err := json.Unmarshal([]byte(lines[i]), &read); err != nil {
				t.Fatal(err)
			}
			row.Labels.Host = strings.ToValidUTF8(row.Labels.Host, "\ufffd")
			if diff := cmp.Diff(row, read, cmp.Comparer(func(a, b wire.Attributes) bool { return a == b })); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	r := pair()
	r.Rows[0].Labels.Timestamp = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := NDJSON(new(strings.Builder), r); err == nil {
		t.Error("a time that cannot be written is written")
	}
}

func TestFooter(t *testing.T) {
	v := View{Query: prepare(t, wire.Request{Query: "sip", Ifaces: "any"}), Zone: time.UTC}
	var text, footer strings.Builder
	if err := v.Text(&text, pair()); err != nil {
		t.Fatal(err)
	}
	if err := v.Footer(&footer, pair()); err != nil {
		t.Fatal(err)
	}
	if _, below, _ := strings.Cut(text.String(), "\n\nTime span"); footer.String() != "Time span"+below {
		t.Errorf("%q is not the end of %q", footer.String(), text.String())
	}
}
