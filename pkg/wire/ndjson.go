package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MarshalHead is the result without its rows, as one JSON object on one line. Decoded again, it is the result with no
// rows. Lists are never null.
func (r *Result) MarshalHead() ([]byte, error) {
	b, err := r.marshalOpen()
	if err != nil {
		return nil, err
	}
	return append(b[:len(b)-len(`,"rows":`)], '}'), nil
}

// marshalOpen is the result as JSON up to its rows, which are the last member.
func (r *Result) marshalOpen() ([]byte, error) {
	head := *r
	head.Rows = nil
	if head.HostsStatuses == nil {
		head.HostsStatuses = map[string]Status{}
	}
	if head.Summary.Interfaces == nil {
		head.Summary.Interfaces = []string{}
	}
	if head.Query.Attributes == nil {
		head.Query.Attributes = []string{}
	}
	b, err := json.Marshal(&head)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return b[:len(b)-len("null}")], nil
}

// WriteNDJSON writes the rows, one JSON object on a line, then a line with everything else of the result, which has a
// member "status" and no "labels". A stream without that line is not complete.
func (r *Result) WriteNDJSON(w io.Writer) error {
	tail, err := r.MarshalHead()
	if err != nil {
		return err
	}
	var b []byte
	for i := range r.Rows {
		if b, err = AppendRow(b, &r.Rows[i]); err != nil {
			return fmt.Errorf("encode row %d of the result: %w", i, err)
		}
		if b = append(b, '\n'); len(b) >= flushSize {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err = w.Write(append(append(b, tail...), '\n'))
	return err
}

// maxLine bounds a line of NDJSON: the last one names every host of a fleet.
const maxLine = 64 << 20

// errTruncated says that the end of a stream is missing.
var errTruncated = errors.New("the stream ends before its last line, which has the status")

// ReadNDJSON is the inverse of WriteNDJSON. More than limit rows are an error.
func ReadNDJSON(r io.Reader, limit int) (*Result, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, flushSize), maxLine)
	rows := []Row{}
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if bytes.HasPrefix(line, []byte(`{"labels":`)) {
			if len(rows) >= limit {
				return nil, fmt.Errorf("line %d: more than %d rows", n, limit)
			}
			var row Row
			if err := json.Unmarshal(line, &row); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			rows = append(rows, row)
			continue
		}
		return readTail(lines, n, rows)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, errTruncated
}

// readTail decodes the line that the scanner stands on, which has to be the last.
func readTail(lines *bufio.Scanner, n int, rows []Row) (*Result, error) {
	var result Result
	if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
		return nil, fmt.Errorf("line %d: %w", n, err)
	}
	if result.Status.Code == "" {
		return nil, fmt.Errorf("line %d is neither a row nor the end of a result", n)
	}
	if lines.Scan() {
		return nil, fmt.Errorf("line %d: something follows the end of the result", n+1)
	}
	result.Rows = rows
	return &result, lines.Err()
}
