package arrowipc

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weirflow/weir/pkg/wire"
)

// Write writes the result of the query. It is not changed.
func Write(w io.Writer, q *wire.Query, r *wire.Result) error {
	head, err := r.MarshalHead()
	if err != nil {
		return err
	}
	encoder := newEncoder(q, r)
	metadata := arrow.NewMetadata([]string{resultKey}, []string{string(head)})
	schema := arrow.NewSchema(encoder.fields, &metadata)
	out := ipc.NewWriter(w, ipc.WithSchema(schema))
	for start := 0; start < len(r.Rows) && err == nil; start += batchRows {
		rows := r.Rows[start:min(start+batchRows, len(r.Rows))]
		batch := array.NewRecordBatch(schema, encoder.encode(rows), int64(len(rows)))
		if err = out.Write(batch); err != nil {
			err = fmt.Errorf("write rows from %d on as Arrow: %w", start, err)
		}
	}
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}

// encoder makes the columns of a batch. Their buffers are used again by the next one, when the writer is done.
type encoder struct {
	columns []column
	fields  []arrow.Field
}

// column makes one or more columns of a batch.
type column interface {
	encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array
}

func newEncoder(q *wire.Query, r *wire.Result) *encoder {
	e := &encoder{}
	for _, c := range columns(q) {
		e.addField(c)
	}
	if q.Seen {
		e.addTime("first_seen", func(row *wire.Row) time.Time { return row.FirstSeen })
		e.addTime("last_seen", func(row *wire.Row) time.Time { return row.LastSeen })
	}
	var named []*texts
	for _, c := range e.columns {
		if t, ok := c.(*texts); ok {
			named = append(named, t)
		}
	}
	collect(named, r.Rows)
	e.addCounters("", func(row *wire.Row) *wire.Counters { return &row.Counters })
	if q.Compares() {
		none := &wire.Counters{}
		e.addCounters(beforePrefix, func(row *wire.Row) *wire.Counters {
			if row.Before == nil {
				return none
			}
			return row.Before
		})
	}
	return e
}

func (e *encoder) addField(c wire.Column) {
	field := arrow.Field{Name: wireName(c), Type: textType, Nullable: true}
	var made column
	if c.Label != "" {
		e.fields = append(e.fields, field)
		e.columns = append(e.columns, &texts{of: func(row *wire.Row) string { return row.Labels.HostLabels.Get(c.Label) }})
		return
	}
	switch c.Field.Name {
	case "time":
		field.Type, made = timeType, &times{of: func(row *wire.Row) time.Time { return row.Labels.Timestamp }}
	case "iface":
		made = &texts{of: func(row *wire.Row) string { return row.Labels.Iface }}
	case "host":
		made = &texts{of: func(row *wire.Row) string { return row.Labels.Host }}
	case "hostid":
		made = &texts{of: func(row *wire.Row) string { return row.Labels.HostID }}
	case "verdict":
		made = &texts{of: func(row *wire.Row) string { return row.Attributes.Verdict }}
	case "sip":
		field.Type, made = arrow.BinaryTypes.String, &addresses{bits: c.Prefix, of: func(row *wire.Row) netip.Addr { return row.Attributes.Source }}
	case "dip":
		field.Type, made = arrow.BinaryTypes.String, &addresses{bits: c.Prefix, of: func(row *wire.Row) netip.Addr { return row.Attributes.Destination }}
	case "dport":
		field.Type, field.Nullable, made = arrow.PrimitiveTypes.Uint16, false, &ports{}
	case "proto":
		field.Type, field.Nullable, made = arrow.PrimitiveTypes.Uint8, false, &protocols{}
	}
	e.fields, e.columns = append(e.fields, field), append(e.columns, made)
}

func (e *encoder) addTime(name string, of func(*wire.Row) time.Time) {
	e.fields = append(e.fields, arrow.Field{Name: name, Type: timeType, Nullable: true})
	e.columns = append(e.columns, &times{of: of})
}

func (e *encoder) addCounters(prefix string, of func(*wire.Row) *wire.Counters) {
	for _, name := range counters {
		e.fields = append(e.fields, arrow.Field{Name: prefix + name, Type: arrow.PrimitiveTypes.Uint64})
	}
	e.columns = append(e.columns, &sums{of: of})
}

func (e *encoder) encode(rows []wire.Row) []arrow.Array {
	arrays := make([]arrow.Array, 0, len(e.fields))
	for _, c := range e.columns {
		arrays = c.encode(arrays, rows)
	}
	return arrays
}
