package render

import (
	"bufio"
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// NDJSON writes the rows as they stand in the contract's object, one on a line, each with what was looked up of its
// addresses, and nothing else. What it leaves out, View.Footer tells people.
func NDJSON(w io.Writer, r *wire.Result) error {
	out := bufio.NewWriter(w)
	var line []byte
	var err error
	for i := range r.Rows {
		if line, err = wire.AppendRow(line[:0], &r.Rows[i]); err != nil {
			return err
		}
		if line, err = appendOf(line, "names", &r.Rows[i], r.Summary.Names); err != nil {
			return err
		}
		if line, err = appendOf(line, "enrichment", &r.Rows[i], r.Summary.Enrichment); err != nil {
			return err
		}
		out.Write(append(escapeJSON(line), '\n')) //nolint:errcheck // Flush returns it
	}
	return out.Flush()
}

// appendOf puts what was looked up of a row's addresses into its object.
func appendOf[V any](line []byte, member string, row *wire.Row, found map[netip.Addr]V) ([]byte, error) {
	own := make(map[netip.Addr]V)
	note := func(a netip.Addr, bits uint8) {
		if value, known := found[a]; known && bits == 0 {
			own[a] = value
		}
	}
	note(row.Attributes.Source, row.Attributes.SourceBits)
	note(row.Attributes.Destination, row.Attributes.DestinationBits)
	if len(own) == 0 {
		return line, nil
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	line = append(append(append(line[:len(line)-1], `,"`...), member...), `":`...)
	return append(append(line, text...), '}'), nil
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
