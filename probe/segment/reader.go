package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/vfs"
)

// DamageError says which bytes of a segment are lost, and why. If they are those of a chunk, only its rows are.
type DamageError struct {
	File   string
	Offset int64 // of the first byte that cannot be used
	Bytes  int64
	Cause  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("segment %s, bytes %d to %d: %v", e.File, e.Offset, e.Offset+e.Bytes, e.Cause)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Cause }

// Reader answers from a segment. It reads what it is asked for, by ReadAt, and keeps what is small and used again.
// It is safe for concurrent use; Close ends it.
type Reader struct {
	f         vfs.File
	name      string
	size      int64
	footer    footer
	tail      []byte // the last bytes of the file
	sections  [lastSection + 1]section
	bytesRead atomic.Int64
	opening   atomic.Int64 // see Opening
	claimed   atomic.Bool

	ipv4         kept[*Addresses32]
	ipv6         kept[*Addresses128]
	directory    kept[*directory]
	stamps       kept[[]int64]
	stampSums    kept[StampTotals]
	blocks       kept[[]flow.Interval]
	rollupIndex  kept[index]
	postingIndex kept[index]
	sourceIndex  kept[index]
	pageSums     kept[[]byte]
	services     struct {
		sync.Mutex
		serviceList
	}
}

// Close closes the file.
func (r *Reader) Close() error { return r.f.Close() }

// damage makes a DamageError.
func (r *Reader) damage(offset, size int64, cause error) error {
	var already *DamageError
	if errors.As(cause, &already) {
		return cause
	}
	return &DamageError{File: r.name, Offset: offset, Bytes: size, Cause: columnError(cause)}
}

// readAt fills b from the file.
func (r *Reader) readAt(b []byte, offset int64) error {
	n, err := r.f.ReadAt(b, offset)
	r.bytesRead.Add(int64(n))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: file ends early", ErrDamaged)
	}
	return r.damage(offset, int64(len(b)), err)
}

// inTail returns bytes of the file if they are in memory.
func (r *Reader) inTail(offset, size int64) []byte {
	start := offset - (r.size - int64(len(r.tail)))
	if start < 0 || start+size > int64(len(r.tail)) {
		return nil
	}
	return r.tail[start : start+size : start+size]
}

// bytes returns bytes of the file, which must be within it. They must not be changed.
func (r *Reader) bytes(offset, size int64) ([]byte, error) {
	return r.bytesInto(new([]byte), offset, size)
}

// bytesInto is bytes in the memory of dst, which grows.
func (r *Reader) bytesInto(dst *[]byte, offset, size int64) ([]byte, error) {
	if b := r.inTail(offset, size); b != nil || size == 0 {
		return b, nil
	}
	if int64(cap(*dst)) < size {
		*dst = make([]byte, size, size+column.Slack)
	}
	b := (*dst)[:size]
	return b, r.readAt(b, offset)
}

func (r *Reader) find(id sectionID) *section { return &r.sections[id] }

// section reads a whole section and checks it.
func (r *Reader) section(id sectionID) ([]byte, error) { return r.sectionInto(new([]byte), id) }

// sectionInto is section in the memory of dst, which grows.
func (r *Reader) sectionInto(dst *[]byte, id sectionID) ([]byte, error) {
	s := r.find(id)
	b, err := r.bytesInto(dst, s.offset, s.length)
	if err != nil {
		return nil, err
	}
	if checksum(b) != s.crc {
		return nil, r.damage(s.offset, s.length, fmt.Errorf("%w: checksum mismatch in the %v", ErrDamaged, id))
	}
	return b, nil
}

// pages reads a part of a section.
func (r *Reader) pages(id sectionID, start, end int64) ([]byte, error) {
	return r.pagesInto(new([]byte), id, start, end)
}

// pagesInto is pages in the memory of dst, which grows.
func (r *Reader) pagesInto(dst *[]byte, id sectionID, start, end int64) ([]byte, error) {
	s := r.find(id)
	if start < 0 || start > end || end > s.length {
		return nil, r.damage(s.offset, s.length, fmt.Errorf("%w: place in the %v", ErrDamaged, id))
	}
	return r.bytesInto(dst, s.offset+start, end-start)
}

// sectionError says which section an error is about.
func (r *Reader) sectionError(id sectionID, err error) error {
	s := r.find(id)
	return r.damage(s.offset, s.length, fmt.Errorf("%v: %w", id, err))
}

// Name is the name given to Open.
func (r *Reader) Name() string { return r.name }

// Size is the length of the file.
func (r *Reader) Size() int64 { return r.size }

// Version is the version of the format.
func (r *Reader) Version() int { return FormatVersion }

// Checksum is that of Info: segments of the same content have the same.
func (r *Reader) Checksum() uint32 {
	return binary.LittleEndian.Uint32(r.tail[len(r.tail)-trailerSize+4:])
}

// BytesRead is the number of bytes read so far.
func (r *Reader) BytesRead() int64 { return r.bytesRead.Load() }

// Opening is the number of bytes that Open read, and of those of the blocks if they were read, for whoever asks first, to whom
// the opening of the segment is put down, not what others read of it before; 0 for all others.
func (r *Reader) Opening() int64 {
	if r.claimed.Swap(true) {
		return 0
	}
	return r.opening.Load()
}

// Meta says which rows the segment may hold.
func (r *Reader) Meta() Meta { return r.footer.meta }

// Rows is the number of rows.
func (r *Reader) Rows() int64 { return r.footer.rows }

// Tuples is the number of tuples: distinct keys.
func (r *Reader) Tuples() int64 { return r.footer.tuples }

// Totals are the sums of all rows.
func (r *Reader) Totals() flow.Counters { return join(&r.footer.totals) }

// HasCounter has bit i set if counter i is not zero everywhere.
func (r *Reader) HasCounter() uint16 { return r.footer.hasCounter }

// StampBounds are the stamps of the earliest and the latest row; zeros if there are none.
func (r *Reader) StampBounds() (first, last int64) { return r.footer.firstStamp, r.footer.lastStamp }

// BlockCount is the number of log blocks that went in.
func (r *Reader) BlockCount() int { return int(r.footer.blocks) }

// IPv4Count is the number of IPv4 addresses: codes from there on are those of IPv6 addresses.
func (r *Reader) IPv4Count() uint32 { return r.footer.ipv4 }

// ServiceCount is the number of services.
func (r *Reader) ServiceCount() int { return int(r.footer.services) }

// AddressCount is the number of addresses of both families.
func (r *Reader) AddressCount() uint32 { return r.footer.ipv4 + r.footer.ipv6 }

// Folded is what the folded rows say: packets without addresses.
type Folded struct {
	Rows, Intervals int64
	Counters        flow.Counters
}

// Folded returns the sums of the folded rows, which are also in all other sums.
func (r *Reader) Folded() Folded {
	return Folded{Rows: r.footer.foldedRows, Intervals: r.footer.foldedStamps, Counters: join(&r.footer.folded)}
}

// IPv4 is the dictionary of IPv4 addresses.
func (r *Reader) IPv4() (*Addresses32, error) {
	return r.ipv4.get(func() (*Addresses32, error) {
		d, err := r.openDictionary(sectionIPv4, sectionIPv4Index, 4, r.footer.ipv4)
		return &Addresses32{d}, err
	})
}

// IPv6 is the dictionary of IPv6 addresses.
func (r *Reader) IPv6() (*Addresses128, error) {
	return r.ipv6.get(func() (*Addresses128, error) {
		d, err := r.openDictionary(sectionIPv6, sectionIPv6Index, 16, r.footer.ipv6)
		d.base = r.footer.ipv4
		return &Addresses128{d}, err
	})
}

func (r *Reader) openDictionary(id, indexID sectionID, keySize int, count uint32) (d dictionary, err error) {
	b, err := r.section(indexID)
	if err != nil {
		return d, err
	}
	d = dictionary{r: r, id: id, count: count}
	if d.index, err = openIndex(b, keySize, int64(count), pageValues, r.find(id).length); err != nil {
		return d, r.sectionError(indexID, err)
	}
	return d, nil
}

// Blocks are the log blocks that went in, in the order of their ends. The slice must not be changed.
func (r *Reader) Blocks() ([]flow.Interval, error) {
	return r.blocks.get(func() ([]flow.Interval, error) {
		b, err := r.section(sectionBlocks)
		if err != nil {
			return nil, err
		}
		if s := r.find(sectionBlocks); r.inTail(s.offset, s.length) == nil {
			r.opening.Add(s.length)
		}
		blocks, err := readBlocks(b, r.footer.meta, int(r.footer.blocks))
		if err != nil {
			return nil, r.sectionError(sectionBlocks, err)
		}
		return blocks, nil
	})
}

// columnError is an error of package column, as one of this package.
func columnError(err error) error {
	if errors.Is(err, column.ErrDamaged) || errors.Is(err, column.ErrContext) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// Section is a part of the file, for people who look at where its bytes go.
type Section struct {
	Name          string
	Offset, Bytes int64
}

// Sections lists the parts of the file between header and footer, in order.
func (r *Reader) Sections() []Section {
	sections := make([]Section, len(r.footer.sections))
	for i, s := range r.footer.sections {
		sections[i] = Section{s.id.String(), s.offset, s.length}
	}
	return sections
}

// Shares says where the bytes of a segment go.
type Shares struct {
	Flows, Sums, Rows               int64 // of the chunks: keys of tuples, their sums, and the rows they are made of
	Dictionaries, Rollups, Postings int64
	Other                           int64 // header, directory, tables, footer
}

// Add adds up.
func (s *Shares) Add(o Shares) {
	s.Flows, s.Sums, s.Rows = s.Flows+o.Flows, s.Sums+o.Sums, s.Rows+o.Rows
	s.Dictionaries, s.Rollups, s.Postings = s.Dictionaries+o.Dictionaries, s.Rollups+o.Rollups, s.Postings+o.Postings
	s.Other += o.Other
}

// Shares reads the directory, and no rows.
func (r *Reader) Shares() (s Shares, err error) {
	chunks, err := r.Chunks()
	if err != nil {
		return s, err
	}
	for i := range chunks {
		c := &chunks[i]
		s.Flows, s.Sums, s.Rows = s.Flows+c.BytesOfTuples, s.Sums+c.BytesOfSums, s.Rows+c.BytesOfRows
	}
	s.Other = r.size - s.Flows - s.Sums - s.Rows
	for _, part := range r.footer.sections {
		share := &s.Other
		switch part.id {
		case sectionIPv4, sectionIPv6, sectionIPv4Index, sectionIPv6Index, sectionServices:
			share = &s.Dictionaries
		case sectionRollups, sectionRollupIndex, sectionServiceSums, sectionStampSums, sectionSourceSums, sectionSourceIndex,
			sectionPageSums:
			share = &s.Rollups
		case sectionPostings, sectionPostingsIndex:
			share = &s.Postings
		}
		if share != &s.Other {
			*share += part.length
			s.Other -= part.length
		}
	}
	return s, nil
}

// kept is a value that is made when it is first asked for.
type kept[T any] struct {
	mu    sync.Mutex
	have  bool
	value T
}

// get returns the value. An error is not kept, the next call tries again.
func (k *kept[T]) get(make func() (T, error)) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.have {
		v, err := make()
		if err != nil {
			return v, err
		}
		k.value, k.have = v, true
	}
	return k.value, nil
}
