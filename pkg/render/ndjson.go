package render

import (
	"bufio"
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// NDJSON writes the rows as they stand in the contract's object, one on a line, each with the names of its addresses if
// some were found, and nothing else. What it leaves out, View.Footer tells people.
func NDJSON(w io.Writer, r *wire.Result) error {
	out := bufio.NewWriter(w)
	var line []byte
	var err error
	for i := range r.Rows {
		if line, err = wire.AppendRow(line[:0], &r.Rows[i]); err != nil {
			return err
		}
		if line, err = appendNames(line, &r.Rows[i], r.Summary.Names); err != nil {
			return err
		}
		out.Write(append(escapeJSON(line), '\n')) //nolint:errcheck // Flush returns it
	}
	return out.Flush()
}

// appendNames puts the names of a row's addresses into its object.
func appendNames(line []byte, row *wire.Row, names map[netip.Addr]string) ([]byte, error) {
	own := make(map[netip.Addr]string)
	note := func(a netip.Addr, bits uint8) {
		if name := names[a]; name != "" && bits == 0 {
			own[a] = name
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
	line = append(line[:len(line)-1], `,"names":`...)
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
