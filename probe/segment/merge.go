package segment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/vfs"
)

// Input is a sorted run of rows for Merge: a segment or rows in memory.
type Input struct {
	reader *Reader
	rows   []Row
	blocks []flow.Interval
}

// FromReader makes an input of a segment, which must stay open until Merge returns.
func FromReader(r *Reader) Input { return Input{reader: r} }

// FromRows makes an input of rows in the order that Writer.Add wants, and of the log blocks they were in.
func FromRows(rows []Row, blocks []flow.Interval) Input { return Input{rows: rows, blocks: blocks} }

// Merge writes a segment of all rows of the inputs to f, and of all their blocks; a block that stands in two inputs is
// an error, as its rows would count twice. Its memory is that of a Writer, and for each input 4 bytes an address, its
// services and stamps, and a chunk. It stops between chunks when ctx is done.
func Merge(ctx context.Context, f vfs.File, config Config, meta Meta, inputs ...Input) (Info, error) {
	m := merger{ctx: ctx}
	for _, in := range inputs {
		c, err := newCursor(in)
		if err != nil {
			return Info{}, fmt.Errorf("merge into %s: %w", f.Name(), err)
		}
		m.cursors = append(m.cursors, c)
	}
	if err := m.create(f, config, meta); err != nil {
		return Info{}, err
	}
	if err := m.run(); err != nil {
		return Info{}, fmt.Errorf("merge into %s: %w", f.Name(), err)
	}
	m.cursors = nil // what they hold is not needed any more, and Finish needs as much
	return m.w.Finish()
}

// Write writes a segment of rows in memory.
func Write(f vfs.File, config Config, meta Meta, blocks []flow.Interval, rows []Row) (Info, error) {
	return Merge(context.Background(), f, config, meta, FromRows(rows, blocks))
}

// cursor goes through the tuples of an input. Codes, ranks and stamp indices are those of the output.
type cursor struct {
	source     tupleSource
	vocabulary inputVocabulary
	codes      []uint32 // of the output, by the input's
	ranks      []uint32
	stampIndex []uint32

	// The tuple at hand.
	pair    uint64 // codes of source and destination
	service uint32 // number
	rank    uint32
	stamps  []uint32 // indices of the input
	done    bool
}

// tupleSource gives tuples in order, in the codes of an input.
type tupleSource interface {
	// next goes to the next tuple; false at the end.
	next() (inputTuple, bool, error)
	// row fills v with the counters of row i of the tuple.
	row(i int, v *[CounterCount]uint64)
}

// inputTuple is a tuple in the codes of an input.
type inputTuple struct {
	source, destination, service uint32
	stamps                       []uint32
}

// inputVocabulary is what an input is made of.
type inputVocabulary struct {
	blocks   []flow.Interval
	services []uint32 // numbers, by rank
	rows     []uint64 // of each
	stamps   []int64
	four     addressList[uint32]
	six      addressList[column.Uint128]
}

// addressList gives the addresses of an input in order, some at a time; none at the end.
type addressList[T any] struct {
	count int
	read  func(from, to int) ([]T, error)
}

func newCursor(in Input) (*cursor, error) {
	if in.reader == nil {
		return rowCursor(in)
	}
	return readerCursor(in.reader)
}

type merger struct {
	ctx     context.Context
	cursors []*cursor
	w       *Writer
}

// create begins the output: the union of blocks, services, stamps and addresses.
func (m *merger) create(f vfs.File, config Config, meta Meta) error {
	var blocks []flow.Interval
	var stamps []int64
	rows := map[uint32]uint64{}
	for _, c := range m.cursors {
		v := &c.vocabulary
		blocks = append(blocks, v.blocks...)
		stamps = append(stamps, v.stamps...)
		slices.Sort(stamps)
		stamps = slices.Compact(stamps)
		for i, s := range v.services {
			rows[s] += v.rows[i]
		}
	}
	w, err := create(f, config, meta, blocks, ranked(rows), rows, stamps)
	if err != nil {
		return err
	}
	m.w = w
	rankOf := make(map[uint32]uint32, len(w.services))
	for rank, s := range w.services {
		rankOf[s] = uint32(rank)
	}
	for _, c := range m.cursors {
		for _, s := range c.vocabulary.services {
			c.ranks = append(c.ranks, rankOf[s])
		}
		for _, s := range c.vocabulary.stamps {
			at, _ := slices.BinarySearch(stamps, s)
			c.stampIndex = append(c.stampIndex, uint32(at))
		}
		c.codes = make([]uint32, c.vocabulary.four.count+c.vocabulary.six.count)
	}
	return m.addresses()
}

// addresses writes the dictionaries and notes the new code of every input's address.
func (m *merger) addresses() error {
	fours, sixes := make([]union[uint32], len(m.cursors)), make([]union[column.Uint128], len(m.cursors))
	for i, c := range m.cursors {
		n4 := c.vocabulary.four.count
		fours[i] = union[uint32]{list: c.vocabulary.four, codes: c.codes[:n4]}
		sixes[i] = union[column.Uint128]{list: c.vocabulary.six, codes: c.codes[n4:]}
	}
	code, err := unite(m.ctx, fours, func(a, b uint32) bool { return a < b }, 0, m.w.add4)
	if err == nil {
		_, err = unite(m.ctx, sixes, func(a, b column.Uint128) bool { return a.Compare(b) < 0 }, code, m.w.add6)
	}
	if err != nil {
		return err
	}
	m.w.addressesDone()
	return m.w.out.err
}

// union is an input's part in the union of addresses.
type union[T comparable] struct {
	list  addressList[T]
	codes []uint32
	part  []T // addresses read and not yet united
	at    int // of the first of part
}

// fill reads more addresses when all are used up. It reports false at the end of the list.
func (u *union[T]) fill() (bool, error) {
	if len(u.part) > 0 {
		return true, nil
	}
	if u.at == u.list.count {
		return false, nil
	}
	var err error
	u.part, err = u.list.read(u.at, min(u.list.count, (u.at/pageValues+1)*pageValues))
	return err == nil, err
}

// unite calls add for each address of the lists once, in order, and numbers them from code on.
func unite[T comparable](ctx context.Context, lists []union[T], less func(a, b T) bool, code uint32, add func(T)) (uint32, error) {
	for {
		var least T
		any := false
		for i := range lists {
			ok, err := lists[i].fill()
			if err != nil {
				return 0, err
			}
			if ok && (!any || less(lists[i].part[0], least)) {
				least, any = lists[i].part[0], true
			}
		}
		if !any {
			return code, nil
		}
		for i := range lists {
			if u := &lists[i]; len(u.part) > 0 && u.part[0] == least {
				u.codes[u.at] = code
				u.part = u.part[1:]
				u.at++
			}
		}
		add(least)
		if code++; code%pageValues == 0 && ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
}

// run merges the tuples.
func (m *merger) run() error {
	for _, c := range m.cursors {
		if err := c.advance(); err != nil {
			return err
		}
	}
	var equal []*cursor
	chunks := 0
	for {
		equal = equal[:0]
		for _, c := range m.cursors {
			switch {
			case c.done:
			case len(equal) == 0 || c.pair < equal[0].pair || (c.pair == equal[0].pair && c.service < equal[0].service):
				equal = append(equal[:0], c)
			case c.pair == equal[0].pair && c.service == equal[0].service:
				equal = append(equal, c)
			}
		}
		if len(equal) == 0 {
			return m.w.out.err
		}
		m.tuple(equal)
		for _, c := range equal {
			if err := c.advance(); err != nil {
				return err
			}
		}
		if n := len(m.w.entries); n != chunks {
			chunks = n
			if err := errors.Join(m.w.out.err, m.ctx.Err()); err != nil {
				return err
			}
		}
	}
}

// advance goes to the next tuple.
func (c *cursor) advance() error {
	t, ok, err := c.source.next()
	if err != nil || !ok {
		c.done = true
		return err
	}
	pair := uint64(c.codes[t.source])<<32 | uint64(c.codes[t.destination])
	service := c.vocabulary.services[t.service]
	if c.stamps != nil && (pair < c.pair || (pair == c.pair && service <= c.service)) {
		return errors.New("rows are not in order")
	}
	c.pair, c.service, c.rank, c.stamps = pair, service, c.ranks[t.service], t.stamps
	return nil
}

// tuple writes a tuple that one or more inputs have.
func (m *merger) tuple(equal []*cursor) {
	first := equal[0]
	m.w.beginTuple(uint32(first.pair>>32), uint32(first.pair), first.rank)
	var v [CounterCount]uint64
	if len(equal) == 1 {
		for i, stamp := range first.stamps {
			first.source.row(i, &v)
			m.w.chunk.row(first.stampIndex[stamp], &v)
		}
		return
	}
	var next [64]int
	at := next[:]
	if len(equal) > len(at) {
		at = make([]int, len(equal))
	}
	for {
		least, from := uint32(0), -1
		for i, c := range equal {
			if at[i] == len(c.stamps) {
				continue
			}
			if stamp := c.stampIndex[c.stamps[at[i]]]; from < 0 || stamp < least {
				least, from = stamp, i
			}
		}
		if from < 0 {
			return
		}
		equal[from].source.row(at[from], &v)
		m.w.chunk.row(least, &v)
		at[from]++
	}
}
