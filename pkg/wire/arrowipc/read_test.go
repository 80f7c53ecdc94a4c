package arrowipc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Read reads what Write wrote, by Arrow's own reader. It is here and not in the package because that reader makes room
// for as many fields as a stream claims to have: it is no reader for what comes from elsewhere.
func Read(r io.Reader, limit int) (*wire.Result, error) {
	bounded := &ended{r: r}
	in, err := ipc.NewReader(bounded)
	if err != nil {
		return nil, err
	}
	defer in.Release()
	result, err := head(in.Schema())
	if err != nil {
		return nil, err
	}
	rows := []wire.Row{}
	for in.Next() {
		batch := in.RecordBatch()
		if batch.NumRows() > int64(limit-len(rows)) {
			return nil, fmt.Errorf("more than %d rows", limit)
		}
		if rows, err = appendRows(rows, batch); err != nil {
			return nil, err
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bounded.marked() {
		return nil, io.ErrUnexpectedEOF
	}
	result.Rows = rows
	return result, nil
}

// ended remembers the last bytes that were read: a stream ends with a mark, without which it was cut.
type ended struct {
	r    io.Reader
	last [8]byte
}

func (e *ended) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	if n >= len(e.last) {
		copy(e.last[:], b[n-len(e.last):n])
	} else {
		copy(e.last[:], e.last[n:])
		copy(e.last[len(e.last)-n:], b[:n])
	}
	return n, err
}

func (e *ended) marked() bool { return e.last == [8]byte{0xff, 0xff, 0xff, 0xff} }

func head(schema *arrow.Schema) (*wire.Result, error) {
	text, ok := schema.Metadata().GetValue(resultKey)
	if !ok {
		return nil, fmt.Errorf("no result of Weir: the schema's metadata lack %s", resultKey)
	}
	var result wire.Result
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		return nil, fmt.Errorf("%s of the schema's metadata: %w", resultKey, err)
	}
	return &result, nil
}

func appendRows(rows []wire.Row, batch arrow.RecordBatch) ([]wire.Row, error) {
	start := len(rows)
	rows = append(rows, make([]wire.Row, batch.NumRows())...)
	added := rows[start:]
	for i, field := range batch.Schema().Fields() {
		if err := setColumn(added, field.Name, batch.Column(i)); err != nil {
			return nil, fmt.Errorf("column %q: %w", field.Name, err)
		}
	}
	return rows, nil
}

// setColumn puts the values of a column into the rows.
func setColumn(rows []wire.Row, name string, values arrow.Array) error {
	if values.Len() != len(rows) {
		return fmt.Errorf("%d values for %d rows", values.Len(), len(rows))
	}
	switch name {
	case "timestamp":
		return setTimes(rows, values, func(row *wire.Row, t time.Time) { row.Labels.Timestamp = t })
	case "first_seen":
		return setTimes(rows, values, func(row *wire.Row, t time.Time) { row.FirstSeen = t })
	case "last_seen":
		return setTimes(rows, values, func(row *wire.Row, t time.Time) { row.LastSeen = t })
	case "iface":
		return setTexts(rows, values, func(row *wire.Row, text string) { row.Labels.Iface = text })
	case "host":
		return setTexts(rows, values, func(row *wire.Row, text string) { row.Labels.Host = text })
	case "host_id":
		return setTexts(rows, values, func(row *wire.Row, text string) { row.Labels.HostID = text })
	case "verdict":
		return setTexts(rows, values, func(row *wire.Row, text string) { row.Attributes.Verdict = text })
	case "dport":
		return each(values, func(v *array.Uint16, i int) { rows[i].Attributes.DestinationPort = v.Value(i) })
	case "proto":
		return each(values, func(v *array.Uint8, i int) { rows[i].Attributes.Protocol = flow.Protocol(v.Value(i)) })
	}
	if key, ok := strings.CutPrefix(name, "label."); ok {
		return setTexts(rows, values, func(row *wire.Row, text string) {
			labels := maps.Collect(row.Labels.HostLabels.All)
			labels[key] = text
			row.Labels.HostLabels = wire.HostLabelsFrom(labels)
		})
	}
	if base, bits, _ := strings.Cut(name, "/"); base == "sip" || base == "dip" {
		return setAddresses(rows, values, base, bits)
	}
	return setCounters(rows, values, name)
}

// each calls set for each value that is not null.
func each[T arrow.Array](values arrow.Array, set func(T, int)) error {
	typed, ok := values.(T)
	if !ok {
		return fmt.Errorf("its type is %s", values.DataType())
	}
	for i := range values.Len() {
		if typed.IsValid(i) {
			set(typed, i)
		}
	}
	return nil
}

func setTimes(rows []wire.Row, values arrow.Array, set func(*wire.Row, time.Time)) error {
	kind, ok := values.DataType().(*arrow.TimestampType)
	if !ok {
		return fmt.Errorf("its type is %s", values.DataType())
	}
	return each(values, func(v *array.Timestamp, i int) { set(&rows[i], toTime(v.Value(i), kind.Unit)) })
}

// toTime keeps the time within what RFC 3339 can write.
func toTime(v arrow.Timestamp, unit arrow.TimeUnit) time.Time {
	t := v.ToTime(unit).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func setTexts(rows []wire.Row, values arrow.Array, set func(*wire.Row, string)) error {
	if plain, ok := values.(*array.String); ok {
		return each(plain, func(v *array.String, i int) { set(&rows[i], strings.Clone(v.Value(i))) })
	}
	indexed, ok := values.(*array.Dictionary)
	if !ok {
		return fmt.Errorf("its type is %s", values.DataType())
	}
	dictionary, ok := indexed.Dictionary().(*array.String)
	if !ok {
		return fmt.Errorf("its type is %s", values.DataType())
	}
	list := make([]string, dictionary.Len())
	for i := range list {
		list[i] = strings.Clone(dictionary.Value(i))
	}
	for i := range rows {
		if !indexed.IsValid(i) {
			continue
		}
		k := indexed.GetValueIndex(i)
		if k < 0 || k >= len(list) {
			return fmt.Errorf("row %d: entry %d of %d", i, k, len(list))
		}
		set(&rows[i], list[k])
	}
	return nil
}

func setAddresses(rows []wire.Row, values arrow.Array, base, bits string) error {
	var prefix uint64
	if bits != "" {
		var err error
		if prefix, err = strconv.ParseUint(bits, 10, 8); err != nil || prefix < 1 || prefix > 128 {
			return errors.New("no number of bits from 1 to 128")
		}
	}
	var fault error
	err := each(values, func(v *array.String, i int) {
		text, _, _ := strings.Cut(v.Value(i), "/")
		address, err := netip.ParseAddr(text)
		if err != nil && fault == nil {
			fault = fmt.Errorf("row %d: %w", i, err)
		}
		a := &rows[i].Attributes
		if base == "sip" {
			a.Source = address
		} else {
			a.Destination = address
		}
	})
	for i := range rows {
		if base == "sip" {
			rows[i].Attributes.SourceBits = uint8(prefix)
		} else {
			rows[i].Attributes.DestinationBits = uint8(prefix)
		}
	}
	return errors.Join(err, fault)
}

func setCounters(rows []wire.Row, values arrow.Array, name string) error {
	short, earlier := strings.CutPrefix(name, beforePrefix)
	for k, known := range counters {
		if known != short {
			continue
		}
		if earlier {
			for i := range rows {
				if rows[i].Before == nil {
					rows[i].Before = &wire.Counters{}
				}
			}
		}
		return each(values, func(v *array.Uint64, i int) {
			into := &rows[i].Counters
			if earlier {
				into = rows[i].Before
			}
			*counter(into, k) = v.Value(i)
		})
	}
	return errors.New("nobody knows it")
}

// counter is where a value stands in the counters.
func counter(c *wire.Counters, i int) *uint64 {
	return [...]*uint64{&c.BytesReceived, &c.BytesSent, &c.PacketsReceived, &c.PacketsSent, &c.Attempts, &c.Accepts, &c.Rejects,
		&c.RoundTripNanoseconds, &c.RoundTrips}[i]
}
