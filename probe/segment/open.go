package segment

import (
	"fmt"

	"github.com/weirflow/weir/probe/vfs"
)

// Open opens a segment, which f belongs to from then on, unless it fails. It reads header and footer and checks them;
// everything else is read and checked when it is needed. name is for errors. An error is an *DamageError, or wraps
// ErrVersion.
func Open(f vfs.File, name string) (*Reader, error) {
	r := &Reader{f: f, name: name}
	size, err := f.Size()
	if err != nil {
		return nil, r.damage(0, 0, err)
	}
	r.size = size
	head := make([]byte, min(maxHeader, size))
	if err := r.readAt(head, 0); err != nil {
		return nil, err
	}
	if err := checkHeader(head); err != nil {
		return nil, r.damage(0, size, err)
	}
	r.tail = make([]byte, min(tailSize, size))
	if err := r.readAt(r.tail, size-int64(len(r.tail))); err != nil {
		return nil, err
	}
	if err := r.readFooter(head); err != nil {
		return nil, err
	}
	r.opening.Store(r.BytesRead())
	return r, nil
}

// readFooter reads trailer and footer from the tail.
func (r *Reader) readFooter(head []byte) error {
	if len(r.tail) < trailerSize {
		return r.damage(0, r.size, fmt.Errorf("%w: %d bytes", ErrDamaged, r.size))
	}
	n, crc, err := parseTrailer(r.tail[len(r.tail)-trailerSize:])
	if err != nil {
		return r.damage(0, r.size, err)
	}
	end := r.size - trailerSize - n
	if end < 0 {
		return r.damage(0, r.size, fmt.Errorf("%w: footer of %d bytes", ErrDamaged, n))
	}
	b, err := r.bytes(end, n)
	if err != nil {
		return err
	}
	if checksum(b) != crc {
		return r.damage(end, n, fmt.Errorf("%w: checksum mismatch in the footer", ErrDamaged))
	}
	if err := r.footer.parse(b, end); err != nil {
		return r.damage(end, n, err)
	}
	if want := r.footer.meta.header(); len(head) < len(want) || string(want) != string(head[:len(want)]) {
		return r.damage(0, r.size, fmt.Errorf("%w: header and footer are of different segments", ErrDamaged))
	}
	for _, s := range r.footer.sections {
		if int(s.id) < len(r.sections) { // others are additions of later versions
			r.sections[s.id] = s
		}
	}
	for id := sectionIPv4; id <= lastSection; id++ {
		if r.sections[id].id != id && !id.optional() {
			return r.damage(end, n, fmt.Errorf("%w: no section of %v", ErrDamaged, id))
		}
	}
	if r.find(sectionDirectory).length != entrySize*int64(r.footer.chunks) {
		return r.damage(end, n, fmt.Errorf("%w: directory of %d bytes for %d chunks", ErrDamaged, r.find(sectionDirectory).length,
			r.footer.chunks))
	}
	return nil
}
