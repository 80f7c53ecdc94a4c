package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/arrowstream"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/lookup"
	"github.com/weirflow/weir/pkg/wire"
)

// manyRows is the number of rows from which on an answer is asked for as an Arrow stream, which takes a ninth of the time
// that JSON takes to decode. People ask for fewer, whatever comes.
const manyRows = 5000

// resultKey is where a stream has the result without its rows.
const resultKey = "weir.result"

// readArrow decodes an Arrow stream as package wire/arrowipc writes it.
func readArrow(in io.Reader, result *wire.Result) error {
	r, err := arrowstream.NewReader(in)
	if err != nil {
		return err
	}
	head, ok := r.Metadata(resultKey)
	if !ok {
		return errors.New("the stream has no result of Weir: its metadata lack " + resultKey)
	}
	if err := json.Unmarshal([]byte(head), result); err != nil {
		return fmt.Errorf("%s of the metadata: %w", resultKey, err)
	}
	if err := hasCounters(r.Fields()); err != nil {
		return err
	}
	rows := []wire.Row{}
	for {
		columns, n, err := r.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			result.Rows = rows
			return nil
		}
		if err != nil {
			return err
		}
		start := len(rows)
		rows = append(rows, make([]wire.Row, n)...)
		for i, field := range r.Fields() {
			if err := setColumn(rows[start:], field, &columns[i]); err != nil {
				return fmt.Errorf("column %q: %w", field.Name, err)
			}
		}
	}
}

// hasCounters says what a stream lacks of the counters, of which every row has all: their bytes bound the rows that fewer
// could claim.
func hasCounters(fields []arrowstream.Field) error {
	found := make(map[string]bool)
	for _, f := range fields {
		found[f.Name] = f.Kind == arrowstream.Uint64
	}
	for name := range counters {
		if !found[name] {
			return fmt.Errorf("the stream has no column %q of the type uint64", name)
		}
	}
	return nil
}

// setColumn puts the values of a column into the rows.
func setColumn(rows []wire.Row, field arrowstream.Field, c *arrowstream.Column) error {
	name := field.Name
	if base, bits, prefixed := strings.Cut(name, "/"); base == "sip" || base == "dip" {
		if field.Kind != arrowstream.Text {
			return errKind
		}
		return setAddresses(rows, c, base == "sip", bits, prefixed)
	}
	switch field.Kind {
	case arrowstream.Microseconds:
		return setTimes(rows, c, name)
	case arrowstream.TextByDictionary:
		return setTexts(rows, c, name)
	case arrowstream.Text:
		return errKind
	}
	return setNumbers(rows, field, c)
}

var (
	errKind    = errors.New("it is of another type than the API says")
	errUnknown = errors.New("nobody knows it")
)

func setTimes(rows []wire.Row, c *arrowstream.Column, name string) error {
	of, ok := map[string]func(*wire.Row) *time.Time{
		"timestamp":  func(r *wire.Row) *time.Time { return &r.Labels.Timestamp },
		"first_seen": func(r *wire.Row) *time.Time { return &r.FirstSeen },
		"last_seen":  func(r *wire.Row) *time.Time { return &r.LastSeen },
	}[name]
	if !ok {
		return errUnknown
	}
	for i := range rows {
		if c.Valid(i) {
			t := time.UnixMicro(c.Micros(i)).UTC()
			if t.Year() < 0 || t.Year() > 9999 { // RFC 3339 cannot write others
				return fmt.Errorf("row %d: the year %d", i, t.Year())
			}
			*of(&rows[i]) = t
		}
	}
	return nil
}

func setTexts(rows []wire.Row, c *arrowstream.Column, name string) error {
	of, ok := map[string]func(*wire.Row) *string{
		"iface":   func(r *wire.Row) *string { return &r.Labels.Iface },
		"host":    func(r *wire.Row) *string { return &r.Labels.Host },
		"host_id": func(r *wire.Row) *string { return &r.Labels.HostID },
		"verdict": func(r *wire.Row) *string { return &r.Attributes.Verdict },
	}[name]
	label, isLabel := strings.CutPrefix(name, "label.")
	if !ok && !isLabel {
		return errUnknown
	}
	for i := range rows {
		if !c.Valid(i) {
			continue
		}
		text, found := c.Shared(i)
		switch {
		case !found:
			return fmt.Errorf("row %d: the dictionary has no such entry", i)
		case isLabel:
			labels := &rows[i].Labels.HostLabels
			*labels = labels.With(map[string]string{label: text})
		default:
			*of(&rows[i]) = text
		}
	}
	return nil
}

func setAddresses(rows []wire.Row, c *arrowstream.Column, source bool, bits string, prefixed bool) error {
	var prefix uint64
	if prefixed {
		var err error
		if prefix, err = strconv.ParseUint(bits, 10, 8); err != nil || prefix < 1 || prefix > 128 {
			return errors.New("no number of bits from 1 to 128")
		}
	}
	for i := range rows {
		a, n := &rows[i].Attributes.Destination, &rows[i].Attributes.DestinationBits
		if source {
			a, n = &rows[i].Attributes.Source, &rows[i].Attributes.SourceBits
		}
		if !c.Valid(i) {
			continue
		}
		*n = uint8(prefix)
		text := string(c.Text(i))
		if prefixed {
			text, _, _ = strings.Cut(text, "/")
		}
		if six, ok := lookup.Parse6(text); ok {
			*a = netip.AddrFrom16(six)
			continue
		}
		var err error
		if *a, err = netip.ParseAddr(text); err != nil || a.Zone() != "" {
			return fmt.Errorf("row %d: %q is no address", i, firstLine(text))
		}
	}
	return nil
}

func setNumbers(rows []wire.Row, field arrowstream.Field, c *arrowstream.Column) error {
	switch {
	case field.Name == "dport" && field.Kind == arrowstream.Uint16:
		for i := range rows {
			rows[i].Attributes.DestinationPort = uint16(c.Uint(i))
		}
		return nil
	case field.Name == "proto" && field.Kind == arrowstream.Uint8:
		for i := range rows {
			rows[i].Attributes.Protocol = flow.Protocol(c.Uint(i))
		}
		return nil
	case field.Kind != arrowstream.Uint64:
		return errKind
	}
	name, earlier := strings.CutPrefix(field.Name, "before_")
	of, ok := counters[name]
	if !ok {
		return errUnknown
	}
	for i := range rows {
		into := &rows[i].Counters
		if earlier {
			if rows[i].Before == nil {
				rows[i].Before = &wire.Counters{}
			}
			into = rows[i].Before
		}
		if c.Valid(i) {
			*of(into) = c.Uint(i)
		}
	}
	return nil
}

// counters are where the values of their columns belong.
var counters = map[string]func(*wire.Counters) *uint64{
	"br": func(c *wire.Counters) *uint64 { return &c.BytesReceived }, "bs": func(c *wire.Counters) *uint64 { return &c.BytesSent },
	"pr": func(c *wire.Counters) *uint64 { return &c.PacketsReceived }, "ps": func(c *wire.Counters) *uint64 { return &c.PacketsSent },
	"ca": func(c *wire.Counters) *uint64 { return &c.Attempts }, "cc": func(c *wire.Counters) *uint64 { return &c.Accepts },
	"cr": func(c *wire.Counters) *uint64 { return &c.Rejects }, "rtt_ns": func(c *wire.Counters) *uint64 { return &c.RoundTripNanoseconds },
	"rtt_n": func(c *wire.Counters) *uint64 { return &c.RoundTrips },
}
