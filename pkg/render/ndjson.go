package render

import (
	"bufio"
	"io"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// NDJSON writes the rows as they stand in the contract's object, one on a line, and nothing else. What it leaves out,
// View.Footer tells people.
func NDJSON(w io.Writer, r *wire.Result) error {
	out := bufio.NewWriter(w)
	var line []byte
	var err error
	for i := range r.Rows {
		if line, err = wire.AppendRow(line[:0], &r.Rows[i]); err != nil {
			return err
		}
		out.Write(append(line, '\n')) //nolint:errcheck // Flush returns it
	}
	return out.Flush()
}

// Footer writes what stands below the table of Text.
func (v View) Footer(w io.Writer, r *wire.Result) error {
	if v.Zone == nil {
		v.Zone = time.Local
	}
	out := bufio.NewWriter(w)
	v.footer(out, r)
	return out.Flush()
}
