// Package arrowstream reads streams in Arrow's IPC format, as far as our servers write them: columns of texts, of texts by
// a dictionary, of unsigned integers and of time stamps in microseconds, uncompressed. Arrow's own reader is for
// streams of friends: it makes room for what a stream claims to hold, and costs time at the start of a process.
//
// Invariants: memory follows the bytes that came, not what they claim; every place in a buffer is checked before it is
// used; a stream without its end mark is an error.
//
// Neighbours: client makes rows of the columns; wire/arrowipc writes the streams, with Arrow's library.
package arrowstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of a stream.
const (
	maxFields     = 256
	maxMessage    = 1 << 28 // bytes of metadata, or of a body
	maxEntries    = 1 << 20 // of a dictionary
	maxTextMember = 1 << 16 // bytes of a dictionary's text
)

// Kind is what a column holds.
type Kind uint8

// The kinds.
const (
	Text Kind = iota + 1
	TextByDictionary
	Uint8
	Uint16
	Uint64
	Microseconds // since 1970, a time stamp
)

// Field describes a column.
type Field struct {
	Name       string
	Kind       Kind
	dictionary int64
}

// Reader reads one stream.
type Reader struct {
	in           io.Reader
	fields       []Field
	metadata     map[string]string
	dictionaries map[int64][]string
	head, body   bytes.Buffer
	columns      []Column
}

// message headers, by their number in Arrow's schema (format/Message.fbs).
const (
	headSchema     = 1
	headDictionary = 2
	headBatch      = 3
)

// NewReader reads the schema of a stream.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: in, dictionaries: make(map[int64][]string)}
	kind, f, header, err := r.message()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the stream ends before its schema")
	case err != nil:
		return nil, err
	case kind != headSchema:
		return nil, errors.New("the stream does not begin with a schema")
	}
	if err := r.schema(f, header); err != nil {
		return nil, err
	}
	return r, nil
}

// Fields are the columns of the stream, in order.
func (r *Reader) Fields() []Field { return r.fields }

// Metadata is a value of the schema's metadata.
func (r *Reader) Metadata(key string) (string, bool) {
	value, ok := r.metadata[key]
	return value, ok
}

// Next returns the columns of the next batch, which are valid until the next call, and how many rows they have. The
// error at the end of the stream is io.EOF; where the stream just stops it is io.ErrUnexpectedEOF.
func (r *Reader) Next() (columns []Column, rows int, err error) {
	for {
		kind, f, header, err := r.message()
		if err != nil {
			return nil, 0, err
		}
		switch kind {
		case headBatch:
			b := batch{f: f, header: header, body: r.body.Bytes()}
			if err := r.batch(&b); err != nil {
				return nil, 0, err
			}
			return r.columns, b.rows, nil
		case headDictionary:
			if err := r.dictionary(f, header); err != nil {
				return nil, 0, err
			}
		default:
			return nil, 0, fmt.Errorf("a message of the kind %d where rows are expected", kind)
		}
	}
}

// message reads a message and its body. The end mark is io.EOF.
func (r *Reader) message() (kind byte, f *flat, header table, err error) {
	const mark = 0xffff_ffff
	var prefix [8]byte
	if _, err := io.ReadFull(r.in, prefix[:]); err != nil {
		return 0, nil, 0, unexpected(err)
	}
	if binary.LittleEndian.Uint32(prefix[:]) != mark {
		return 0, nil, 0, errors.New("no Arrow stream: a message does not begin with its mark")
	}
	size := binary.LittleEndian.Uint32(prefix[4:])
	if size == 0 {
		return 0, nil, 0, io.EOF
	}
	if err := fill(&r.head, r.in, int64(size)); err != nil {
		return 0, nil, 0, err
	}
	f = &flat{b: r.head.Bytes()}
	root := f.root()
	kind, header = f.byteOf(root, 1), f.table(root, 2)
	if err := fill(&r.body, r.in, f.longOf(root, 3)); err != nil {
		return 0, nil, 0, err
	}
	if f.fault || header == 0 {
		return 0, nil, 0, errBroken
	}
	return kind, f, header, nil
}

var errBroken = errors.New("the metadata of an Arrow message are broken")

// fill reads so many bytes; the buffer grows with what comes.
func fill(b *bytes.Buffer, in io.Reader, size int64) error {
	if size < 0 || size > maxMessage {
		return fmt.Errorf("a part of an Arrow message claims %d bytes, more than the limit of %d", size, maxMessage)
	}
	b.Reset()
	_, err := io.CopyN(b, in, size)
	return unexpected(err)
}

// unexpected is the error of a stream that just stops.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// schema notes the fields.
func (r *Reader) schema(f *flat, header table) error {
	if f.shortOf(header, 0) != 0 {
		return errors.New("the stream is written in big-endian order")
	}
	start, n := f.vector(header, 1, 4)
	if n > maxFields {
		return fmt.Errorf("the stream has %d columns, more than the limit of %d", n, maxFields)
	}
	for i := range n {
		at := start + 4*i
		field, ok := fieldOf(f, table(at+f.uint32(at)))
		if !ok {
			return fmt.Errorf("column %q is of a type that is not known here", field.Name)
		}
		r.fields = append(r.fields, field)
	}
	r.metadata = make(map[string]string)
	start, n = f.vector(header, 2, 4)
	for i := range min(n, maxFields) {
		at := start + 4*i
		pair := table(at + f.uint32(at))
		r.metadata[f.text(pair, 0)] = f.text(pair, 1)
	}
	if f.fault {
		return errBroken
	}
	return nil
}

// Types of Arrow, by their number in its schema (format/Schema.fbs).
const (
	typeInt       = 2
	typeText      = 5
	typeTimestamp = 10
)

func fieldOf(f *flat, t table) (Field, bool) {
	field := Field{Name: f.text(t, 0)}
	kind, detail := f.byteOf(t, 2), f.table(t, 3)
	if by := f.table(t, 4); by != 0 {
		field.Kind, field.dictionary = TextByDictionary, f.longOf(by, 0)
		index := f.table(by, 1)
		return field, kind == typeText && (index == 0 || f.intOf(index, 0) == 32)
	}
	switch {
	case kind == typeText:
		field.Kind = Text
	case kind == typeTimestamp && f.shortOf(detail, 0) == 2:
		field.Kind = Microseconds
	case kind == typeInt && f.byteOf(detail, 1) == 0:
		field.Kind = map[int]Kind{8: Uint8, 16: Uint16, 64: Uint64}[f.intOf(detail, 0)]
	}
	return field, field.Kind != 0
}
