package render

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// explain says how the answer was found: a line for each part of the store that was looked at.
func explain(w *bufio.Writer, e *wire.Explain) {
	if e == nil {
		return
	}
	fmt.Fprintf(w, "\nHow the answer was found: %s, %s read\n\n", steps(len(e.Steps)+e.Omitted), size(e.BytesRead))
	t := &table{columns: []tableColumn{{name: "source"}, {name: "method"}, {name: "chunks"}, {name: "read"}, {name: "rows"}, {name: "bytes"}, {name: "time"}, {name: "reason"}}}
	for i := range e.Steps {
		s := &e.Steps[i]
		for k, q := range []quantity{
			{digits: Line(s.Source)}, {digits: Line(s.Method)}, count(uint64(max(s.Chunks, 0))), count(uint64(max(s.ChunksRead, 0))), count(uint64(max(s.Rows, 0))),
			size(s.BytesRead), {digits: duration(time.Duration(s.DurationNanos))}, {digits: cmp.Or(Line(s.Reason), "-")},
		} {
			t.columns[k].add(q)
		}
	}
	if len(e.Steps) > 0 {
		t.write(w)
	}
	if e.Omitted > 0 {
		fmt.Fprintf(w, "and %s more\n", steps(e.Omitted))
	}
}

func steps(n int) string {
	text := count(uint64(max(n, 0))).String() + " steps"
	if n == 1 {
		text = strings.TrimSuffix(text, "s")
	}
	return text
}

// ExplainText writes how the answer was found, for formats that have no place for it.
func ExplainText(w io.Writer, r *wire.Result) error {
	out := bufio.NewWriter(w)
	explain(out, r.Summary.Explain)
	return out.Flush()
}
