package archive

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
)

// CSVHeading is the first line of CSV: goConvert's columns, and behind them the counters that goProbe does not have.
const CSVHeading = "time,iface,sip,dip,dport,proto,packets sent,data vol. sent,packets received,data vol. received," +
	"attempts,accepts,rejects,rtt sum,rtt n"

// textWriter is what CSV and NDJSON have in common: a buffer, and a function that appends a row.
type textWriter struct {
	out  *bufio.Writer
	line []byte
	row  func(line []byte, iface string, end int64, r *flow.Record) []byte
}

func (w *textWriter) Write(iface string, interval flow.Interval, records []flow.Record) error {
	for i := range records {
		w.line = w.row(w.line[:0], iface, interval.End, &records[i])
		if _, err := w.out.Write(w.line); err != nil {
			return err
		}
	}
	return nil
}

func (w *textWriter) Close() error { return w.out.Flush() }

// NewCSV begins a file of comma-separated values (RFC 4180, lines end with LF). Times are Unix seconds, protocols
// numbers. An interface whose name a spreadsheet would take for a formula gets an apostrophe in front.
func NewCSV(w io.Writer) Writer {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(CSVHeading + "\n") // Flush returns the error
	return &textWriter{out: out, row: appendCSV}
}

func appendCSV(line []byte, iface string, end int64, r *flow.Record) []byte {
	line = strconv.AppendInt(line, end, 10)
	line = append(append(line, ','), field(iface)...)
	line = r.Key.SourceAddr().AppendTo(append(line, ','))
	line = r.Key.DestinationAddr().AppendTo(append(line, ','))
	c := &r.Counters
	for _, n := range [...]uint64{uint64(r.Key.DestinationPort), uint64(r.Key.Protocol), c.PacketsSent, c.BytesSent,
		c.PacketsReceived, c.BytesReceived, c.Attempts, c.Accepts, c.Rejects, c.RoundTripNanoseconds, c.RoundTrips} {
		line = strconv.AppendUint(append(line, ','), n, 10)
	}
	return append(line, '\n')
}

// field quotes a text as far as CSV, spreadsheets and terminals need it.
func field(text string) string {
	text = render.Safe(text)
	if text != "" && strings.ContainsRune("=+-@|%", rune(text[0])) {
		text = "'" + text
	}
	if strings.ContainsAny(text, ",\"") {
		text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return text
}

// NewNDJSON begins newline-delimited JSON: one object a line, with the names of the Parquet file. Counters that are 0
// are left out, and so are the addresses of folded rows.
func NewNDJSON(w io.Writer, origin Origin) Writer {
	host, hostID := quoted(origin.Host), quoted(origin.HostID)
	known := map[string][]byte{}
	return &textWriter{out: bufio.NewWriter(w), row: func(line []byte, iface string, end int64, r *flow.Record) []byte {
		name, ok := known[iface]
		if !ok {
			name = quoted(iface)
			known[iface] = name
		}
		line = time.Unix(end, 0).UTC().AppendFormat(append(line, `{"time":"`...), time.RFC3339)
		line = append(append(line, `","host":`...), host...)
		line = append(append(line, `,"host_id":`...), hostID...)
		line = append(append(line, `,"iface":`...), name...)
		if !r.Key.Folded() {
			line = r.Key.SourceAddr().AppendTo(append(line, `,"sip":"`...))
			line = r.Key.DestinationAddr().AppendTo(append(line, `","dip":"`...))
			line = append(line, '"')
		}
		line = strconv.AppendUint(append(line, `,"dport":`...), uint64(r.Key.DestinationPort), 10)
		line = strconv.AppendUint(append(line, `,"proto":`...), uint64(r.Key.Protocol), 10)
		for _, c := range counters(&r.Counters) {
			if c.value > 0 {
				line = append(append(append(line, `,"`...), c.name...), `":`...)
				line = strconv.AppendUint(line, c.value, 10)
			}
		}
		return append(line, "}\n"...)
	}}
}

type counter struct {
	name  string
	value uint64
}

func counters(c *flow.Counters) [9]counter {
	return [...]counter{{"bytes_received", c.BytesReceived}, {"bytes_sent", c.BytesSent}, {"packets_received", c.PacketsReceived},
		{"packets_sent", c.PacketsSent}, {"attempts", c.Attempts}, {"accepts", c.Accepts}, {"rejects", c.Rejects},
		{"rtt_sum_ns", c.RoundTripNanoseconds}, {"rtt_count", c.RoundTrips}}
}

func quoted(text string) []byte {
	b, _ := json.Marshal(text) // a string always marshals
	return b
}
