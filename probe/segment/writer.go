package segment

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/vfs"
)

// Config says how segments are cut. Every reader reads every segment, whatever it was.
type Config struct {
	ChunkTuples int    // greatest number of tuples in a chunk, at most MaxChunkTuples
	ChunkRows   int    // a chunk with so many rows takes no further tuple, at most MaxChunkTuples
	RollupRows  uint64 // services with so many rows or more get their counters by stamp stored, and all that rank before
	NoPostings  bool   // do without the lists of chunks by destination: 3 per cent smaller, slower to look up
}

// MaxChunkTuples is the greatest number of tuples in a chunk.
const MaxChunkTuples = column.MaxValues

// maxChunkRows is the greatest number of rows in a chunk: one tuple may have as many as there are stamps.
const maxChunkRows = MaxChunkTuples + MaxStamps

// DefaultConfig is what stores use.
func DefaultConfig() Config { return Config{ChunkTuples: 8192, ChunkRows: 16384, RollupRows: 256} }

// Validate checks the bounds.
func (c Config) Validate() error {
	if c.ChunkTuples < 1 || c.ChunkTuples > MaxChunkTuples || c.ChunkRows < 1 || c.ChunkRows > MaxChunkTuples {
		return fmt.Errorf("chunks of %d tuples, %d rows: not 1 to %d", c.ChunkTuples, c.ChunkRows, MaxChunkTuples)
	}
	return nil
}

// Info is what a Writer has written.
type Info struct {
	Rows, Tuples int64
	Bytes        int64
	Totals       flow.Counters
	Checksum     uint32 // of the footer, which holds those of all sections: the same content has the same
}

// Writer writes a segment, front to back. What it holds is bounded: a chunk, the sums by service and by stamp, up to
// 38 MB of rollups, 8 bytes for each address for a moment at the end, some 5 for each source and quarter of the day, and what it was given as
// vocabulary.
type Writer struct {
	config       Config
	out          output
	footer       footer
	blocks       []flow.Interval
	services     []uint32 // by rank
	stamps       []int64
	entries      []entry
	chunk        chunkBuffer
	totals       *totals
	sources      *sourceWriter
	address      addressWriter
	mostPostings uint64             // at a time
	folds        [familyCount]int64 // code of the address of zeros, -1 if there is none
	// what Add needs
	lookup *lookup
	ranks  rankTable
	key    flow.Key // of the last row
	stamp  int64
	any    bool
}

// Create begins a segment in f, an empty file opened for writing and reading. blocks are the log blocks that go in,
// those without rows included; v was shown all rows.
func Create(f vfs.File, config Config, meta Meta, blocks []flow.Interval, v *Vocabulary) (*Writer, error) {
	v.finish()
	w, err := create(f, config, meta, blocks, ranked(v.services), v.services, v.stamps.list)
	if err != nil {
		return nil, err
	}
	for _, a := range v.four.list {
		w.add4(a)
	}
	for _, a := range v.six.list {
		w.add6(a)
	}
	w.addressesDone()
	w.lookup = newLookup(v)
	w.ranks = newRankTable(w.services)
	return w, w.out.err
}

// create begins a segment; the addresses come next. rows has at least as many for each service as there will be.
func create(f vfs.File, config Config, meta Meta, blocks []flow.Interval, services []uint32, rows map[uint32]uint64, stamps []int64) (*Writer, error) {
	blocks = append([]flow.Interval(nil), blocks...)
	if err := errors.Join(config.Validate(), meta.Validate()); err != nil {
		return nil, fmt.Errorf("create segment %s: %w", f.Name(), err)
	}
	if err := sortBlocks(meta, blocks); err != nil {
		return nil, fmt.Errorf("create segment %s: %w", f.Name(), err)
	}
	if len(stamps) > MaxStamps {
		return nil, fmt.Errorf("create segment %s: %d ends of intervals, more than %d", f.Name(), len(stamps), MaxStamps)
	}
	if n := len(stamps); n > 0 && (stamps[0] < meta.First || stamps[n-1] > meta.Last) {
		return nil, fmt.Errorf("create segment %s: rows stamped %d to %d, not %d to %d", f.Name(), stamps[0], stamps[n-1],
			meta.First, meta.Last)
	}
	w := &Writer{config: config, blocks: blocks, services: services, stamps: stamps, out: output{f: f}, mostPostings: maxPostings, folds: [familyCount]int64{-1, -1}}
	w.footer = footer{meta: meta, services: uint32(len(services)), stamps: uint32(len(stamps)), blocks: uint32(len(blocks))}
	if len(stamps) > 0 {
		w.footer.firstStamp, w.footer.lastStamp = stamps[0], stamps[len(stamps)-1]
	}
	frequent := 0 // rows are counted twice where inputs have one key and stamp in common; then more are
	for frequent < len(services) && rows[services[frequent]] >= config.RollupRows {
		frequent++
	}
	w.totals = newTotals(&w.footer, frequent)
	w.address.out = &w.out
	w.out.raw(meta.header())
	w.address.begin()
	return w, w.out.err
}

func (w *Writer) add4(a uint32) {
	if a == 0 {
		w.folds[family4] = 0
	}
	w.address.add4(a)
}

func (w *Writer) add6(a column.Uint128) {
	if a == (column.Uint128{}) {
		w.folds[family6] = 0
	}
	w.address.add6(a)
}

// addressesDone ends the dictionaries and begins the rows.
func (w *Writer) addressesDone() {
	w.address.finish()
	w.footer.ipv4, w.footer.ipv6 = w.address.count[0], w.address.count[1]
	if w.folds[family6] >= 0 {
		w.folds[family6] = int64(w.footer.ipv4)
	}
	w.sources = newSourceWriter(&w.footer, &w.chunk.e, w.stamps)
	w.out.begin(sectionChunks)
}

// Add adds a row. Rows come in the order of their keys and, within a key, of their stamps; those of one key and stamp
// are added up.
func (w *Writer) Add(row *Row) error {
	if w.any {
		c := compareKeys(&w.key, &row.Key)
		if c > 0 || (c == 0 && w.stamp > row.Stamp) {
			return fmt.Errorf("write segment %s: row of %v, %d after that of %v, %d: not in order", w.out.f.Name(), row.Key,
				row.Stamp, w.key, w.stamp)
		}
		if c == 0 {
			return w.addRow(row)
		}
	}
	k := &row.Key
	source, destination, found := w.lookup.codes(k)
	rank, known := w.ranks.find(serviceNumber(Service{k.Protocol, k.DestinationPort}))
	if !found || !known {
		return fmt.Errorf("write segment %s: row of %v: not in the vocabulary", w.out.f.Name(), row.Key)
	}
	w.beginTuple(source, destination, rank)
	w.key, w.any = *k, true
	return w.addRow(row)
}

func (w *Writer) addRow(row *Row) error {
	stamp, found := w.lookup.index(row.Stamp)
	if !found {
		return fmt.Errorf("write segment %s: row stamped %d: not in the vocabulary", w.out.f.Name(), row.Stamp)
	}
	counters := split(&row.Counters)
	w.chunk.row(stamp, &counters)
	w.stamp = row.Stamp
	return w.out.err
}

// beginTuple begins a tuple, in a new chunk if the last is full.
func (w *Writer) beginTuple(source, destination, service uint32) {
	w.endTuple()
	if n := len(w.chunk.source); n >= w.config.ChunkTuples || len(w.chunk.stamps) >= w.config.ChunkRows {
		w.flushChunk()
	}
	w.chunk.tuple(source, destination, service)
}

// endTuple adds the last tuple, if there is one, to the sums.
func (w *Writer) endTuple() {
	c := &w.chunk
	last := len(c.source) - 1
	if last < 0 {
		return
	}
	from := len(c.rows) - int(c.rowCount[last])
	family, zero := family4, w.folds[family4]
	if c.source[last] >= uint64(w.footer.ipv4) {
		family, zero = family6, w.folds[family6]
	}
	service := uint32(c.service[last])
	folded := int64(c.source[last]) == zero && int64(c.destination[last]) == zero && w.services[service]>>8 == 0
	w.totals.tuple(family, service, folded, &c.sums[last], c.stamps[from:], c.rows[from:])
	w.sources.tuple(uint32(c.source[last]), c.stamps[from:], c.rows[from:])
}

func (w *Writer) flushChunk() {
	b, x := w.chunk.encode()
	x.offset = w.out.sections[len(w.out.sections)-1].length
	x.chunk.MixedFamily = x.chunk.FirstSource < w.footer.ipv4 && x.chunk.LastSource >= w.footer.ipv4
	w.entries = append(w.entries, x)
	w.out.write(b)
	w.chunk.reset()
}

// Finish writes what follows the rows, and syncs the file. The caller closes and renames it.
func (w *Writer) Finish() (Info, error) {
	if len(w.chunk.source) > 0 {
		w.endTuple()
		w.flushChunk()
	}
	w.footer.chunks = uint32(len(w.entries))
	if len(w.entries) > math.MaxInt32 {
		return Info{}, fmt.Errorf("write segment %s: %d chunks", w.out.f.Name(), len(w.entries))
	}
	w.totals.finish()
	e := &w.chunk.e
	var postings index
	if !w.config.NoPostings && w.out.err == nil {
		p := postingWriter{w: w, most: w.mostPostings}
		var err error
		if postings, err = p.write(); err != nil {
			return Info{}, fmt.Errorf("write segment %s: %w", w.out.f.Name(), err)
		}
	}
	sources := w.sources.write(&w.out)
	rollups := w.totals.writeRollups(e, &w.out)
	w.out.whole(sectionServices, appendServices(e, nil, w.services))
	w.out.whole(sectionServiceSums, w.totals.appendServiceSums(e, nil))
	w.out.whole(sectionBlocks, appendBlocks(e, nil, w.footer.meta, w.blocks))
	w.out.whole(sectionStamps, w.totals.appendStamps(e, nil, w.stamps))
	w.out.whole(sectionStampSums, w.totals.appendStampSums(e, nil))
	w.out.whole(sectionDirectory, appendDirectory(nil, w.entries))
	w.out.whole(sectionRollupIndex, rollups.bytes())
	if !w.config.NoPostings {
		w.out.whole(sectionPostingsIndex, postings.bytes())
	}
	w.out.whole(sectionSourceIndex, sources.bytes())
	w.out.whole(sectionPageSums, slices.Concat(rollups.sums, sources.sums))
	w.out.whole(sectionIPv4Index, w.address.index[0].bytes())
	w.out.whole(sectionIPv6Index, w.address.index[1].bytes())
	w.footer.sections = w.out.sections
	footer := w.footer.append(nil)
	w.out.raw(appendTrailer(footer, footer))
	w.out.flush()
	if w.out.err == nil {
		w.out.err = w.out.f.Sync()
	}
	if w.out.err != nil {
		return Info{}, fmt.Errorf("write segment %s: %w", w.out.f.Name(), w.out.err)
	}
	return Info{Rows: w.footer.rows, Tuples: w.footer.tuples, Bytes: w.out.offset, Totals: join(&w.footer.totals),
		Checksum: checksum(footer)}, nil
}
