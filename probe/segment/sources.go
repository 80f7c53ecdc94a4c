package segment

import (
	"fmt"
	"slices"

	"github.com/weirflow/weir/probe/column"
)

const (
	// Quarters is the number of parts of a day for which there are sums by source.
	Quarters = 4
	// sourceCodes is the number of address codes in a page of sums by source.
	sourceCodes = 4096
)

// QuarterOf is the quarter of its day that a stamp belongs to.
func (m Meta) QuarterOf(stamp int64) int {
	return int((stamp - m.Day*secondsPerDay - 1) / (secondsPerDay / Quarters))
}

// sourceWriter collects the sums by source and quarter of a day. Tuples come in the order of sources, so it holds those of
// a page, and of all before it the bytes.
type sourceWriter struct {
	footer    *footer
	e         *column.Encoder
	quarterOf []uint8 // by stamp
	index     index
	bytes     []byte
	page      int
	rows      [Quarters][]uint64 // by code in the page
	sums      [Quarters][][CounterCount]uint64
}

func newSourceWriter(f *footer, e *column.Encoder, stamps []int64) *sourceWriter {
	w := &sourceWriter{footer: f, e: e, quarterOf: make([]uint8, len(stamps))}
	for i, stamp := range stamps {
		w.quarterOf[i] = uint8(f.meta.QuarterOf(stamp))
	}
	for q := range w.rows {
		w.rows[q] = make([]uint64, sourceCodes)
	}
	return w
}

// tuple adds a tuple with its rows.
func (w *sourceWriter) tuple(source uint32, stamps []uint32, rows [][CounterCount]uint64) {
	for w.page < int(source/sourceCodes) {
		w.flush()
	}
	at := source % sourceCodes
	for i, stamp := range stamps {
		q := w.quarterOf[stamp]
		if w.rows[q][at]++; w.rows[q][at] == 1 {
			w.sums[q] = append(w.sums[q], rows[i])
			continue
		}
		add(&w.sums[q][len(w.sums[q])-1], &rows[i])
	}
}

// flush encodes a page: for each quarter the number of rows of each code, and the counters of those that have rows.
func (w *sourceWriter) flush() {
	start := len(w.bytes)
	n := sourcePage(w.footer, w.page)
	for q := range w.rows {
		w.bytes = appendColumn(w.e, w.bytes, w.rows[q][:n], pieceValues)
		sums := w.sums[q]
		w.bytes = appendCounters(w.e, w.bytes, len(sums), pieceValues, func(i int) *[CounterCount]uint64 { return &sums[i] })
		clear(w.rows[q])
		w.sums[q] = sums[:0]
	}
	w.index.addPage(int64(start), w.bytes[start:])
	w.page++
}

// sourcePage is the number of codes of a page.
func sourcePage(f *footer, page int) int {
	return min(sourceCodes, int(f.ipv4)+int(f.ipv6)-page*sourceCodes)
}

// sourcePages is the number of pages of sums by source.
func (f *footer) sourcePages() int {
	return (int(f.ipv4) + int(f.ipv6) + sourceCodes - 1) / sourceCodes
}

// write writes the section and returns its index.
func (w *sourceWriter) write(out *output) index {
	for w.page < w.footer.sourcePages() {
		w.flush()
	}
	out.whole(sectionSourceSums, w.bytes)
	w.bytes = nil
	return w.index
}

// HasSourceSums says whether SourceSums can be asked.
func (r *Reader) HasSourceSums() bool { return r.find(sectionSourceIndex).id != 0 }

// SourcePages is the number of pages that SourceSums reads.
func (r *Reader) SourcePages() int { return r.footer.sourcePages() }

// SourceSums calls visit for the wanted quarters of the day (bit by number) with the codes of a page that are sources
// then, ascending, and their sums, in columns that are only good until it returns. A counter that is zero everywhere has
// none, nor has one that is not wanted.
func (r *Reader) SourceSums(page int, quarters uint8, wanted uint16, visit func(quarter int, codes []uint32, sums *[CounterCount][]uint64) error) error {
	x, err := r.sourceIndex.get(r.openSources)
	if err != nil {
		return err
	}
	if page < 0 || page >= x.pages() {
		return fmt.Errorf("segment %s: page %d of %d sums by source", r.name, page, x.pages())
	}
	s := r.find(sectionSourceSums)
	start, end := x.place(page, page+1, s.length)
	t, err := r.pageTable(sectionSourceSums, start, end)
	if err != nil {
		return err
	}
	p := newSourceReader(t, uint32(page*sourceCodes), sourcePage(&r.footer, page))
	defer p.release()
	if err := r.checkPage(sectionSourceSums, page, p.b); err != nil {
		return err
	}
	for q := range Quarters {
		use := quarters>>q&1 != 0
		read := p.pass
		if use {
			read = p.quarter
		}
		if err := read(wanted); err != nil {
			return r.damage(s.offset+start, end-start, fmt.Errorf("page %d of sums by source: %w", page, err))
		}
		if use && len(p.s.codes) > 0 {
			if err := visit(q, p.s.codes, &p.sums); err != nil {
				return err
			}
		}
	}
	if err := p.end(); err != nil {
		return r.damage(s.offset+start, end-start, fmt.Errorf("page %d of sums by source: %w", page, err))
	}
	return nil
}

func (r *Reader) openSources() (index, error) {
	if !r.HasSourceSums() {
		return index{}, fmt.Errorf("segment %s has no sums by source", r.name)
	}
	b, err := r.section(sectionSourceIndex)
	if err != nil {
		return index{}, err
	}
	x, err := openIndex(b, 0, int64(r.AddressCount()), sourceCodes, r.find(sectionSourceSums).length)
	if err != nil {
		return index{}, r.sectionError(sectionSourceIndex, err)
	}
	return x, nil
}

// sourceReader reads a page of sums by source.
type sourceReader struct {
	tableReader
	first   uint32
	n       int
	rows    *[]uint64
	decoded [CounterCount]*[]uint64
	sums    [CounterCount][]uint64
}

func newSourceReader(t tableReader, first uint32, n int) *sourceReader {
	p := &sourceReader{tableReader: t, first: first, n: n}
	p.rows = p.next()
	for c := range p.decoded {
		p.decoded[c] = p.next()
	}
	return p
}

// pass passes over a quarter.
func (p *sourceReader) pass(uint16) error {
	if _, err := p.skip(p.n); err != nil {
		return err
	}
	mask, err := p.mask()
	if err != nil {
		return err
	}
	for ; mask != 0; mask &= mask - 1 { // a column each, of a piece
		info, err := column.Inspect(p.b)
		if err != nil {
			return err
		}
		p.b = p.b[info.Size:]
	}
	return nil
}

// mask reads which counters follow.
func (p *sourceReader) mask() (uint16, error) {
	mask, err := p.u16()
	if err == nil && mask>>CounterCount != 0 {
		err = fmt.Errorf("%w: unknown counters %#x", ErrDamaged, mask)
	}
	return mask, err
}

// quarter reads what a quarter has into codes and sums.
func (p *sourceReader) quarter(wanted uint16) error {
	rows, err := p.piece(p.rows, p.n, nil)
	if err != nil {
		return err
	}
	if len(rows) != p.n {
		return fmt.Errorf("%w: %d of %d sources", ErrDamaged, len(rows), p.n)
	}
	p.s.codes = slices.Grow(p.s.codes[:0], p.n)
	for i, rows := range rows {
		if rows > 0 {
			p.s.codes = append(p.s.codes, p.first+uint32(i))
		}
	}
	mask, err := p.mask()
	if err != nil {
		return err
	}
	decode := withContexts(wanted, mask)
	p.sums = [CounterCount][]uint64{}
	for _, c := range counterOrder {
		switch {
		case mask>>c&1 == 0:
			continue
		case decode>>c&1 == 0:
			if _, err := p.skip(len(p.s.codes)); err != nil {
				return err
			}
			continue
		}
		var context []uint64
		if given := companion(c, mask); given != noContext {
			context = *p.decoded[given]
		}
		decoded, err := p.piece(p.decoded[c], len(p.s.codes), context)
		if err != nil {
			return err
		}
		if len(decoded) != len(p.s.codes) {
			return fmt.Errorf("%w: %d sums of %d sources", ErrDamaged, len(decoded), len(p.s.codes))
		}
		if wanted>>c&1 != 0 {
			p.sums[c] = decoded
		}
	}
	return nil
}

// sources reads all pages and compares their sums with those of the footer.
func (v *verifier) sources() {
	if !v.r.HasSourceSums() {
		return
	}
	var sums [CounterCount]uint64
	for page := range v.r.SourcePages() {
		err := v.r.SourceSums(page, 1<<Quarters-1, allCounters, func(_ int, _ []uint32, columns *[CounterCount][]uint64) error {
			for c, column := range columns {
				var one [CounterCount]uint64
				for _, one[c] = range column {
					add(&sums, &one)
				}
			}
			return nil
		})
		if err != nil {
			v.note(err)
			return
		}
	}
	if sums != v.r.footer.totals {
		v.note(v.r.sectionError(sectionSourceSums, fmt.Errorf("%w: the sums by source are not those of the footer", ErrDamaged)))
	}
}
