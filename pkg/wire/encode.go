package wire

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// flushSize is how much JSON is collected before it is written.
const flushSize = 64 << 10

// WriteJSON writes the result as JSON on one line, without a line feed at the end, row by row. It is what
// encoding/json makes of the result, only faster; lists are never null. Times must lie in the years 0 to 9999.
func (r *Result) WriteJSON(w io.Writer) error {
	b, err := r.marshalOpen()
	if err != nil {
		return err
	}
	b = append(b, '[')
	for i := range r.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = AppendRow(b, &r.Rows[i]); err != nil {
			return fmt.Errorf("encode row %d of the result: %w", i, err)
		}
		if len(b) >= flushSize {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err = w.Write(append(b, "]}"...))
	return err
}

// AppendRow appends the row as encoding/json would write it.
func AppendRow(b []byte, row *Row) ([]byte, error) {
	b = append(b, `{"labels":{`...)
	start := len(b)
	b, err := appendTime(b, start, `"timestamp":`, row.Labels.Timestamp)
	if err != nil {
		return nil, err
	}
	b = appendText(b, start, `"iface":`, row.Labels.Iface)
	b = appendText(b, start, `"host":`, row.Labels.Host)
	b = appendText(b, start, `"host_id":`, row.Labels.HostID)
	if row.Labels.HostLabels != "" {
		b = row.Labels.HostLabels.appendJSON(appendName(b, start, `"host_labels":`))
	}
	b = append(b, `},"attributes":{`...)
	start = len(b)
	b = row.Attributes.appendMembers(b, start)
	b = append(b, `},"counters":{`...)
	b = appendCounters(b, &row.Counters)
	if row.Before != nil {
		b = append(b, `},"before":{`...)
		b = appendCounters(b, row.Before)
	}
	b = append(b, '}')
	if b, err = appendTime(b, 0, `"first_seen":`, row.FirstSeen); err != nil {
		return nil, err
	}
	if b, err = appendTime(b, 0, `"last_seen":`, row.LastSeen); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// appendTime appends a member unless it is zero.
func appendTime(b []byte, start int, name string, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return b, nil
	}
	if year := t.Year(); year < 0 || year > 9999 {
		return nil, fmt.Errorf("time stamp in the year %d cannot be written", year)
	}
	b = append(appendName(b, start, name), '"')
	return append(t.AppendFormat(b, time.RFC3339Nano), '"'), nil
}

// appendCounters appends the members that are not zero.
func appendCounters(b []byte, c *Counters) []byte {
	start := len(b)
	b = appendNumber(b, start, `"br":`, c.BytesReceived)
	b = appendNumber(b, start, `"bs":`, c.BytesSent)
	b = appendNumber(b, start, `"pr":`, c.PacketsReceived)
	b = appendNumber(b, start, `"ps":`, c.PacketsSent)
	b = appendNumber(b, start, `"ca":`, c.Attempts)
	b = appendNumber(b, start, `"cc":`, c.Accepts)
	b = appendNumber(b, start, `"cr":`, c.Rejects)
	b = appendNumber(b, start, `"rtt_ns":`, c.RoundTripNanoseconds)
	return appendNumber(b, start, `"rtt_n":`, c.RoundTrips)
}

// appendName appends the name of a member, after a comma unless the object began at start.
func appendName(b []byte, start int, name string) []byte {
	if len(b) > start {
		b = append(b, ',')
	}
	return append(b, name...)
}

func appendNumber(b []byte, start int, name string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(appendName(b, start, name), n, 10)
}

func appendText(b []byte, start int, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendString(appendName(b, start, name), text)
}

// appendString appends a JSON string. What is not plain ASCII, or special in HTML, is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // never fails for a string
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
