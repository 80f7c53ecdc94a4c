package arrowipc

import (
	"fmt"
	"io"
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

// column makes one or more columns of a batch: reset begins one, fill puts the values of some rows at their place, and
// arrays appends the columns to the list.
type column interface {
	reset(rows int)
	fill(rows []wire.Row, start int)
	arrays(list []arrow.Array) []arrow.Array
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
	e.addCounters("", &sums{})
	if q.Compares() {
		e.addCounters(beforePrefix, &sums{earlier: true})
	}
	return e
}

func (e *encoder) addField(c wire.Column) {
	field := arrow.Field{Name: wireName(c), Type: textType, Nullable: true}
	var made column
	switch c.Field.Name {
	default: // a label, see columns
		made = &texts{kind: labelText, label: c.Label}
	case "time":
		field.Type, made = timeType, &times{of: func(row *wire.Row) time.Time { return row.Labels.Timestamp }}
	case "iface":
		made = &texts{kind: ifaceText}
	case "host":
		made = &texts{kind: hostText}
	case "hostid":
		made = &texts{kind: hostIDText}
	case "verdict":
		made = &texts{kind: verdictText}
	case "sip":
		field.Type, made = arrow.BinaryTypes.String, &addresses{bits: c.Prefix, source: true}
	case "dip":
		field.Type, made = arrow.BinaryTypes.String, &addresses{bits: c.Prefix}
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

func (e *encoder) addCounters(prefix string, made *sums) {
	for _, name := range counters {
		e.fields = append(e.fields, arrow.Field{Name: prefix + name, Type: arrow.PrimitiveTypes.Uint64})
	}
	e.columns = append(e.columns, made)
}

// encode fills all columns with some rows, then with some more, so that a row comes into the cache once.
func (e *encoder) encode(rows []wire.Row) []arrow.Array {
	for _, c := range e.columns {
		c.reset(len(rows))
	}
	for start := 0; start < len(rows); start += stripRows {
		strip := rows[start:min(start+stripRows, len(rows))]
		for _, c := range e.columns {
			c.fill(strip, start)
		}
	}
	arrays := make([]arrow.Array, 0, len(e.fields))
	for _, c := range e.columns {
		arrays = c.arrays(arrays)
	}
	return arrays
}
