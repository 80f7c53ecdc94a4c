package arrowipc

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weirflow/weir/pkg/wire"
)

// Write writes the result of the query. It is not changed. Batches are made by as many goroutines as may run at once,
// a few at most.
func Write(w io.Writer, q *wire.Query, r *wire.Result) error {
	head, err := r.MarshalHead()
	if err != nil {
		return err
	}
	metadata := arrow.NewMetadata([]string{resultKey}, []string{string(head)})
	encoders := newEncoders(q, r)
	schema := arrow.NewSchema(encoders[0].fields, &metadata)
	out := ipc.NewWriter(w, ipc.WithSchema(schema))
	err = writeBatches(out, schema, encoders, r.Rows)
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}

// writeBatches has the encoders make batches in turn, each one while those before it are written.
func writeBatches(out *ipc.Writer, schema *arrow.Schema, encoders []*encoder, rows []wire.Row) error {
	var made sync.WaitGroup
	stop := make(chan struct{})
	defer made.Wait()
	defer close(stop)
	for k, e := range encoders {
		made.Go(func() { e.encodeAll(rows, k, len(encoders), stop) })
	}
	for start := 0; start < len(rows); start += batchRows {
		e := encoders[start/batchRows%len(encoders)]
		batch := array.NewRecordBatch(schema, <-e.made, int64(min(batchRows, len(rows)-start)))
		if err := out.Write(batch); err != nil {
			return fmt.Errorf("write rows from %d on as Arrow: %w", start, err)
		}
		e.written <- struct{}{}
	}
	return nil
}

// mostEncoders is the number of goroutines that make batches at most; a few are as fast as memory is.
const mostEncoders = 4

// encoder makes the columns of a batch. Their buffers are used again by its next one, when the writer is done.
type encoder struct {
	columns []column
	fields  []arrow.Field
	made    chan []arrow.Array
	written chan struct{} // has room for one, so that the writer never waits
}

// column makes one or more columns of a batch: reset begins one of some rows from a row of the result on, fill puts the
// values of some of them at their place, and arrays appends the columns to the list.
type column interface {
	reset(from, rows int)
	fill(rows []wire.Row, start int)
	arrays(list []arrow.Array) []arrow.Array
}

func newEncoders(q *wire.Query, r *wire.Result) []*encoder {
	encoders := make([]*encoder, max(1, min(runtime.GOMAXPROCS(0), mostEncoders, (len(r.Rows)+batchRows-1)/batchRows)))
	for k := range encoders {
		encoders[k] = newEncoder(q)
	}
	var named []*words
	for i, c := range encoders[0].columns {
		t, ok := c.(*texts)
		if !ok {
			continue
		}
		named = append(named, t.words)
		for _, other := range encoders[1:] {
			other.columns[i] = &texts{words: t.words}
		}
	}
	collect(named, r.Rows)
	return encoders
}

func newEncoder(q *wire.Query) *encoder {
	e := &encoder{made: make(chan []arrow.Array), written: make(chan struct{}, 1)}
	for _, c := range columns(q) {
		e.addField(c)
	}
	if q.Seen {
		e.addTime("first_seen", func(row *wire.Row) time.Time { return row.FirstSeen })
		e.addTime("last_seen", func(row *wire.Row) time.Time { return row.LastSeen })
	}
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
		made = &texts{words: &words{kind: labelText, label: c.Label}}
	case "time":
		field.Type, made = timeType, &times{of: func(row *wire.Row) time.Time { return row.Labels.Timestamp }}
	case "iface":
		made = &texts{words: &words{kind: ifaceText}}
	case "host":
		made = &texts{words: &words{kind: hostText}}
	case "hostid":
		made = &texts{words: &words{kind: hostIDText}}
	case "verdict":
		made = &texts{words: &words{kind: verdictText}}
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

// encodeAll makes every step-th batch from the one of number first on, until stopped.
func (e *encoder) encodeAll(rows []wire.Row, first, step int, stop <-chan struct{}) {
	for start := first * batchRows; start < len(rows); start += step * batchRows {
		arrays := e.encode(rows, start, min(start+batchRows, len(rows)))
		select {
		case e.made <- arrays:
		case <-stop:
			return
		}
		select {
		case <-e.written:
		case <-stop:
			return
		}
	}
}

// encode fills all columns with some rows, then with some more, so that a row comes into the cache once.
func (e *encoder) encode(all []wire.Row, from, to int) []arrow.Array {
	rows := all[from:to]
	for _, c := range e.columns {
		c.reset(from, len(rows))
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
