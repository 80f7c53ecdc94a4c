package segment

import (
	"fmt"

	"github.com/weirflow/weir/probe/column"
)

const (
	// postingCodes is the number of address codes in a page of postings.
	postingCodes = 512
	// maxPostings is how many postings a writer holds at a time, 4 bytes each; where there are more, it goes through
	// the chunks several times.
	maxPostings = 1 << 22
)

// postingWriter makes the lists of chunks in which each address is a destination, from the chunks as they are in the
// file: so the writer holds nothing for them while it goes through the rows.
type postingWriter struct {
	w       *Writer
	most    uint64   // postings at a time
	counts  []uint32 // chunks of each code
	last    []uint32 // number of the last chunk of each code, plus 1
	next    []uint32 // where the next posting of a code goes
	list    []uint32
	t       Tuples
	scratch Scratch
	page    []byte
	values  []uint64
}

// write writes the section and returns the index.
func (p *postingWriter) write() (index, error) {
	w := p.w
	if w.out.flush(); w.out.err != nil {
		return index{}, w.out.err
	}
	codes := int(w.footer.ipv4) + int(w.footer.ipv6)
	p.counts, p.last = make([]uint32, codes), make([]uint32, codes)
	err := p.pass(0, codes, func(code, _ uint32) { p.counts[code]++ })
	if err != nil {
		return index{}, err
	}
	var x index
	w.out.begin(sectionPostings)
	for from := 0; from < codes; {
		to, postings := from, uint64(0)
		for to < codes && (to == from || postings < p.most) {
			end := min(to+postingCodes, codes)
			for _, n := range p.counts[to:end] {
				postings += uint64(n)
			}
			to = end
		}
		if err := p.collect(from, to); err != nil {
			return index{}, err
		}
		for ; from < to; from += postingCodes {
			x.add(nil, w.out.sections[len(w.out.sections)-1].length)
			p.encode(from, min(from+postingCodes, codes))
		}
	}
	return x, w.out.err
}

// pass calls visit for each code from from up to and without to that is a destination in a chunk, once a chunk.
func (p *postingWriter) pass(from, to int, visit func(code, chunk uint32)) error {
	clear(p.last[from:to])
	p.t.Share(&p.scratch)
	section, l := p.w.out.section(sectionChunks), &p.t.loader
	for i := range p.w.entries {
		x := &p.w.entries[i]
		if int(x.chunk.MostDestination) < from || int(x.chunk.LeastDestination) >= to {
			continue
		}
		l.bytes = grow(l.bytes, int(x.size[groupTuples]))
		if _, err := p.w.out.f.ReadAt(l.bytes, section.offset+x.offset); err != nil {
			return fmt.Errorf("read back chunk %d: %w", i, err)
		}
		l.b = l.bytes
		p.t.reset(&x.chunk)
		if err := p.t.loadTuples(&x.chunk, nil, Destinations, p.w.footer.services); err != nil {
			return fmt.Errorf("read back chunk %d: %w", i, err)
		}
		chunk := uint32(i)
		for _, code := range p.t.Destination {
			if int(code) >= from && int(code) < to && p.last[code] != chunk+1 {
				p.last[code] = chunk + 1
				visit(code, chunk)
			}
		}
	}
	return nil
}

// collect fills list with the postings of codes from from up to and without to, in their order.
func (p *postingWriter) collect(from, to int) error {
	p.next = grow(p.next, to-from)
	total := uint32(0)
	for i, n := range p.counts[from:to] {
		p.next[i] = total
		total += n
	}
	p.list = grow(p.list, int(total))
	return p.pass(from, to, func(code, chunk uint32) {
		at := &p.next[int(code)-from]
		p.list[*at] = chunk
		*at++
	})
}

// encode writes a page: the number of chunks of each code, and their numbers, as the first of a code and differences
// less 1 for the others. list holds what comes next.
func (p *postingWriter) encode(from, to int) {
	e := &p.w.chunk.e
	p.values = p.values[:0]
	for _, n := range p.counts[from:to] {
		p.values = append(p.values, uint64(n))
	}
	p.page = appendColumn(e, p.page[:0], p.values, pieceValues)
	p.values = p.values[:0]
	for _, n := range p.counts[from:to] {
		before := int64(-1)
		for _, chunk := range p.list[:n] {
			p.values = append(p.values, uint64(int64(chunk)-before-1))
			before = int64(chunk)
		}
		p.list = p.list[n:]
	}
	p.page = appendColumn(e, p.page, p.values, pieceValues)
	p.w.out.write(p.page)
}

// HasPostings says whether MatchDestinations can be asked.
func (r *Reader) HasPostings() bool { return r.find(sectionPostingsIndex).id != 0 }

// MatchDestinations calls visit for the codes of a set that are destinations, with their place in the set, for each
// chunk that has them, in ascending order. The set must be in ascending order. It reads the pages that the set touches.
func (r *Reader) MatchDestinations(set []uint32, visit func(i int, chunk uint32)) error {
	for i := 0; i < len(set); {
		page := int(set[i] / postingCodes)
		end := i
		for end < len(set) && int(set[end]/postingCodes) == page {
			end++
		}
		err := r.postings(page, func(counts []uint64, chunks []uint32) {
			code, at := uint32(page*postingCodes), 0
			for j := i; j < end; j++ {
				for ; code < set[j]; code++ {
					at += int(counts[code%postingCodes])
				}
				for _, chunk := range chunks[at : at+int(counts[code%postingCodes])] {
					visit(j, chunk)
				}
			}
		})
		if err != nil {
			return err
		}
		i = end
	}
	return nil
}

// DestinationChunks appends the numbers of the chunks that have a destination with a code from from up to and without
// to, ascending and each once.
func (r *Reader) DestinationChunks(dst []uint32, from, to uint32) ([]uint32, error) {
	if to = min(to, r.AddressCount()); from >= to {
		return dst, nil
	}
	has := make([]bool, r.footer.chunks)
	for page := int(from / postingCodes); page <= int((to-1)/postingCodes); page++ {
		err := r.postings(page, func(counts []uint64, chunks []uint32) {
			code := uint32(page * postingCodes)
			for _, n := range counts {
				if code >= from && code < to {
					for _, chunk := range chunks[:n] {
						has[chunk] = true
					}
				}
				chunks = chunks[n:]
				code++
			}
		})
		if err != nil {
			return dst, err
		}
	}
	for chunk, yes := range has {
		if yes {
			dst = append(dst, uint32(chunk))
		}
	}
	return dst, nil
}

// postings reads a page and calls use with the number of chunks of each of its codes, and their numbers.
func (r *Reader) postings(page int, use func(counts []uint64, chunks []uint32)) error {
	x, err := r.postingIndex.get(r.openPostings)
	if err != nil {
		return err
	}
	if page >= x.pages() {
		return fmt.Errorf("segment %s: postings of code %d: there are %d addresses", r.name, page*postingCodes, r.AddressCount())
	}
	s := r.find(sectionPostings)
	start, end := x.place(page, page+1, s.length)
	t, err := r.pageTable(sectionPostings, start, end)
	if err != nil {
		return err
	}
	defer t.release()
	codes := min(postingCodes, int(r.AddressCount())-page*postingCodes)
	counts, chunks, err := readPostings(&t, codes, r.footer.chunks)
	if err != nil {
		return r.damage(s.offset+start, end-start, fmt.Errorf("page %d of postings: %w", page, err))
	}
	use(counts, chunks)
	return nil
}

func (r *Reader) openPostings() (index, error) {
	if !r.HasPostings() {
		return index{}, fmt.Errorf("segment %s has no postings", r.name)
	}
	b, err := r.section(sectionPostingsIndex)
	if err != nil {
		return index{}, err
	}
	x, err := openIndex(b, 0, int64(r.AddressCount()), postingCodes, r.find(sectionPostings).length)
	if err != nil {
		return index{}, r.sectionError(sectionPostingsIndex, err)
	}
	return x, nil
}

// readPostings is the inverse of postingWriter.encode.
func readPostings(t *tableReader, codes int, chunks uint32) (counts []uint64, list []uint32, err error) {
	if counts, err = t.column(codes); err != nil {
		return nil, nil, err
	}
	total := uint64(0)
	for _, n := range counts {
		if n > uint64(chunks) {
			return nil, nil, fmt.Errorf("%w: %d chunks", ErrDamaged, n)
		}
		total += n
	}
	if total > uint64(len(t.b))*column.MaxValues {
		return nil, nil, fmt.Errorf("%w: %d postings", ErrDamaged, total)
	}
	steps, err := t.column(int(total))
	if err != nil {
		return nil, nil, err
	}
	list = grow(t.s.codes, int(total))
	t.s.codes = list
	at := 0
	for _, n := range counts {
		next := uint64(0)
		for end := at + int(n); at < end; at++ {
			if steps[at] >= uint64(chunks)-next {
				return nil, nil, fmt.Errorf("%w: chunk of a posting", ErrDamaged)
			}
			next += steps[at]
			list[at] = uint32(next)
			next++
		}
	}
	return counts, list, t.end()
}

// postings reads all pages.
func (v *verifier) postings() {
	if !v.r.HasPostings() {
		return
	}
	x, err := v.r.postingIndex.get(v.r.openPostings)
	if err != nil {
		v.note(err)
		return
	}
	for page := range x.pages() {
		v.note(v.r.postings(page, func([]uint64, []uint32) {}))
	}
}
