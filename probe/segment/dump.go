package segment

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/weirflow/weir/probe/column"
)

// Dump writes what the file holds, for people: its sums, its sections with their places, the blocks that went in, and
// for each chunk its bounds and the codecs and sizes of its columns. What cannot be read is said where it stands.
func (r *Reader) Dump(to io.Writer) error {
	w := bufio.NewWriter(to)
	m := r.Meta()
	first, last := r.StampBounds()
	fmt.Fprintf(w, "segment of %q, %s, format %d, %d bytes\n", m.Interface, time.Unix(m.Day*86400, 0).UTC().Format(time.DateOnly), FormatVersion, r.Size())
	fmt.Fprintf(w, "%d rows of %d flows, %d addresses; interval ends %s to %s\n", r.Rows(), r.Tuples(), r.AddressCount(), utc(first), utc(last))
	fmt.Fprintf(w, "totals %v\n\n%12s %12s  section\n", split(ptr(r.Totals())), "offset", "bytes")
	for _, s := range r.Sections() {
		fmt.Fprintf(w, "%12d %12d  %s\n", s.Offset, s.Bytes, s.Name)
	}
	r.dumpBlocks(w)
	r.dumpChunks(w)
	return w.Flush()
}

func ptr[T any](v T) *T { return &v }

func utc(stamp int64) string { return time.Unix(stamp, 0).UTC().Format(time.RFC3339) }

func (r *Reader) dumpBlocks(w io.Writer) {
	blocks, err := r.Blocks()
	if err != nil {
		fmt.Fprintf(w, "\nblocks: %v\n", err)
		return
	}
	fmt.Fprintf(w, "\n%-20s %10s %-32s %20s %12s %10s %12s  blocks\n", "end", "covered", "boot", "sequence", "received", "dropped", "metered")
	for _, b := range blocks {
		fmt.Fprintf(w, "%-20s %10s %x %20d %12d %10d %12d\n", utc(b.End), b.Duration, b.Boot, b.Sequence,
			b.Accounting.Received, b.Accounting.Dropped, b.Accounting.Metered)
	}
}

func (r *Reader) dumpChunks(w io.Writer) {
	d, err := r.readDirectory()
	if err != nil {
		fmt.Fprintf(w, "\nchunks: %v\n", err)
		return
	}
	l := loader{Scratch: new(Scratch)}
	for i := range d.chunks {
		c, p := &d.chunks[i], &d.entries[i]
		offset := p.offset + r.find(sectionChunks).offset
		fmt.Fprintf(w, "\nchunk %d at %d: %d flows, %d rows, sources %d-%d, destinations %d-%d, stamps %d-%d, counters %09b\n", i, offset,
			c.Tuples, c.Rows, c.FirstSource, c.LastSource, c.LeastDestination, c.MostDestination, c.FirstStamp, c.LastStamp, c.HasCounter)
		groups, err := r.readGroups(i, p, [groupCount]bool{true, true, true}, &l)
		if err != nil {
			fmt.Fprintf(w, "  %v\n", err)
			continue
		}
		for g, name := range [groupCount]string{"flows", "sums", "rows"} {
			dumpColumns(w, name, groups[g])
		}
	}
}

// dumpColumns lists the columns of a group.
func dumpColumns(w io.Writer, name string, b []byte) {
	fmt.Fprintf(w, "  %-5s %8d bytes:", name, len(b))
	for len(b) > 0 {
		info, err := column.Inspect(b)
		if err != nil {
			fmt.Fprintf(w, " %v", err)
			break
		}
		fmt.Fprintf(w, " %s %d×%d", info.Codec, info.Count, info.Size)
		if err := column.Check(b[:info.Size]); err != nil {
			fmt.Fprintf(w, " (%v)", err)
		}
		b = b[info.Size:]
	}
	fmt.Fprintln(w)
}
