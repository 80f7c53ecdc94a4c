package segment

import (
	"fmt"

	"github.com/weirflow/weir/probe/column"
)

// serviceList is the services that were decoded so far: those of the first ranks.
type serviceList struct {
	list   []Service
	b      []byte // what is not decoded yet
	number int64  // of the last one
}

// FirstServices returns the services of the first ranks, n or more of them, or all if there are fewer. It decodes no
// more than it has to; the first few hundred are cheap. The slice must not be changed.
func (r *Reader) FirstServices(n int) ([]Service, error) {
	r.services.Lock()
	defer r.services.Unlock()
	l, all := &r.services.serviceList, int(r.footer.services)
	if len(l.list) == 0 {
		b, err := r.section(sectionServices)
		if err != nil {
			return nil, err
		}
		l.b, l.number = b, 0
	}
	for len(l.list) < min(n, all) {
		if err := l.more(all); err != nil {
			return nil, r.sectionError(sectionServices, err)
		}
	}
	if len(l.list) == all {
		if len(l.b) != 0 {
			return nil, r.sectionError(sectionServices, fmt.Errorf("%w: %d bytes after the table", ErrDamaged, len(l.b)))
		}
	}
	return l.list, nil
}

// wholeServices is how many services a list has room for that is to have more than a first piece. A longer list grows with
// what was decoded of it.
const wholeServices = 1 << 16

// more decodes a piece of the list of all services.
func (l *serviceList) more(all int) error {
	t := newTableReader(l.b)
	defer t.release()
	steps, err := t.piece(t.next(), all-len(l.list), nil)
	if err != nil {
		return err
	}
	list, number := l.list, l.number
	if need := len(list) + len(steps); need > cap(list) {
		room := need
		if len(list) > 0 {
			room = min(all, max(2*need, wholeServices))
		}
		list = make([]Service, len(list), room)
		copy(list, l.list)
	}
	for _, step := range steps {
		s, err := nextService(&number, step)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	l.list, l.b, l.number = list, t.b, number
	return nil
}

// FindServices calls visit with rank and service of every service of the segment, the most frequent first, until it
// returns false. It decodes what it has not visited for nobody: whoever looks for frequent services should stop early.
func (r *Reader) FindServices(visit func(rank uint32, s Service) (more bool)) error {
	for rank := 0; rank < int(r.footer.services); {
		list, err := r.FirstServices(rank + 1)
		if err != nil {
			return err
		}
		for ; rank < len(list); rank++ {
			if !visit(uint32(rank), list[rank]) {
				return nil
			}
		}
	}
	return nil
}

// nextService decodes a step of the list of services; number is that of the one before.
func nextService(number *int64, step uint64) (Service, error) {
	*number += int64(step>>1) ^ -int64(step&1)
	if step > 2*MaxServices || *number < 0 || *number >= MaxServices {
		return Service{}, fmt.Errorf("%w: step %d in the list of services", ErrDamaged, step)
	}
	return serviceOf(uint32(*number)), nil
}

// SumsByService calls visit with the sums of the services, a few thousand at a time by rank from first on, in columns
// that are only good until it returns. A counter that is zero everywhere has none, nor has one that is not wanted.
func (r *Reader) SumsByService(wanted uint16, visit func(first uint32, n int, sums *[CounterCount][]uint64) error) error {
	t, err := r.sectionTable(sectionServiceSums)
	if err != nil {
		return err
	}
	defer t.release()
	n := int(r.footer.services)
	columns, mask, err := t.sumColumns(n)
	if err != nil {
		return r.sectionError(sectionServiceSums, err)
	}
	var memory [CounterCount]*[]uint64
	for _, c := range counterOrder {
		memory[c] = t.next()
	}
	var decoded, sums [CounterCount][]uint64
	decode := withContexts(wanted, mask)
	for first := 0; first < n; {
		count := 0
		for _, c := range counterOrder {
			if decode>>c&1 == 0 {
				continue
			}
			var context []uint64
			if given := companion(c, mask); given != noContext {
				context = decoded[given]
			}
			t.b = columns[c]
			if decoded[c], err = t.piece(memory[c], n-first, context); err == nil && count > 0 && len(decoded[c]) != count {
				err = fmt.Errorf("%w: columns of %d and %d values", ErrDamaged, count, len(decoded[c]))
			}
			if err != nil {
				return r.sectionError(sectionServiceSums, err)
			}
			count, columns[c] = len(decoded[c]), t.b
			if wanted>>c&1 != 0 {
				sums[c] = decoded[c]
			}
		}
		if count == 0 {
			return visit(0, n, &sums) // all are zero
		}
		if err := visit(uint32(first), count, &sums); err != nil {
			return err
		}
		first += count
	}
	return nil
}

// sumColumns finds the columns of counters behind those of tuples and rows, all of n values.
func (t *tableReader) sumColumns(n int) (columns [CounterCount][]byte, mask uint16, err error) {
	for range 2 {
		if _, err = t.skip(n); err != nil {
			return columns, 0, err
		}
	}
	if mask, err = t.u16(); err != nil {
		return columns, 0, err
	}
	if mask>>CounterCount != 0 {
		return columns, 0, fmt.Errorf("%w: unknown counters %#x", ErrDamaged, mask)
	}
	for _, c := range counterOrder {
		if mask>>c&1 != 0 {
			if columns[c], err = t.skip(n); err != nil {
				return columns, 0, err
			}
		}
	}
	return columns, mask, t.end()
}

// piece decodes the next chunk of a column of which most values are left, into dst. context, if not nil, is the same
// piece of the column that this one goes along with.
func (t *tableReader) piece(dst *[]uint64, most int, context []uint64) ([]uint64, error) {
	info, err := column.Inspect(t.b)
	if err != nil {
		return nil, err
	}
	if info.Count == 0 || info.Count > most {
		return nil, fmt.Errorf("%w: column of %d values, %d missing", ErrDamaged, info.Count, most)
	}
	if context != nil {
		*dst, err = t.s.DecodeGiven(*dst, t.b[:info.Size], context)
	} else {
		*dst, err = t.s.Decode(*dst, t.b[:info.Size])
	}
	t.b = t.b[info.Size:]
	return *dst, err
}

// skip passes over a column of count values and returns its bytes.
func (t *tableReader) skip(count int) ([]byte, error) {
	start, size := t.b, 0
	for count > 0 {
		info, err := column.Inspect(t.b)
		if err != nil {
			return nil, err
		}
		if info.Count == 0 || info.Count > count {
			return nil, fmt.Errorf("%w: column of %d values, %d missing", ErrDamaged, info.Count, count)
		}
		t.b, size, count = t.b[info.Size:], size+info.Size, count-info.Count
	}
	return start[:size:size], nil
}
