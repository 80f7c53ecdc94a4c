package query

import (
	"slices"
	"sync"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
)

// plan is how the groups of a shape are summed over the segments of a query and the loose rows beside them.
type plan struct {
	run         *run
	shape       shape
	first, last int64
	bins        []int64 // ends, ascending; with shape.time
	counters    []int   // that are not zero everywhere
	parts       []*part // those that may hold matches
	space       space
	loose       loose
	only        keySet   // nil: all groups
	ranks       []uint32 // see allRanks
	sparse      bool     // few tuples can match: addresses are numbered as they are met
}

// part is a segment within a plan.
type part struct {
	*segment.Reader
	plan        *plan
	name        string   // of the interface
	base        uint64   // what the interface and a common bin contribute to packed.rest
	ipv4, codes uint32   // number of IPv4 addresses, of all addresses
	four        []uint32 // all IPv4 addresses, while the condition is bound
	services    []segment.Service
	chunks      []segment.Chunk
	test        *test
	matches     *test    // test, before it was left to look for rare services only
	byRow       bool     // its rows are looked at, not the sums of its tuples
	whole       bool     // all its stamps are within the plan
	bins        []uint64 // by stamp: contribution to packed.rest, or outside

	sources    []uint32 // by code: number in the plan's space; unless the plan is sparse
	targets    []uint32 // the same for destinations
	pages      pages    // of the dictionaries; if the plan is sparse
	candidates []candidate
	wantKey    segment.Columns
	wantValues segment.Columns
	method     method
	reason     string
	rollups    []uint32 // ranks, for methodRollup
	verdicts   bool     // those of rows decide

	quarters    uint8 // of the day, for methodSources
	quarterBins [segment.Quarters]uint64

	zeros [2]uint32    // codes of 0.0.0.0 and ::, noCode where they are not there
	mu    sync.Mutex   // guards what follows
	read  int64        // bytes
	rows  int64        // looked at
	done  map[int]bool // chunks that were read
}

// outside marks a stamp that is not within the plan.
const outside = ^uint64(0)

const noCode = ^uint32(0)

// candidate is a chunk that may hold matches.
type candidate struct {
	chunk int
	all   bool // all its tuples match
}

// newPlan binds a condition to the run's segments. A segment that cannot be read is lost and named.
func (r *run) newPlan(s shape, c *condition) (*plan, error) {
	pl := &plan{run: r, shape: s, first: r.first, last: r.last}
	has := r.looseHas()
	var bound []*part
	for i := range r.opened {
		p, err := pl.newPart(&r.opened[i], c)
		if err != nil {
			r.lose(r.opened[i].Reader, -1, err)
			continue
		}
		r.steps = append(r.steps, p)
		if p.method == methodSkipped {
			continue
		}
		has |= p.HasCounter()
		bound = append(bound, p)
	}
	for i := range segment.CounterCount {
		if has>>i&1 != 0 {
			pl.counters = append(pl.counters, i)
		}
	}
	if s.time {
		if err := pl.makeBins(bound); err != nil {
			return nil, err
		}
	}
	for _, p := range bound {
		if err := p.prepare(); err != nil {
			r.lose(p.Reader, -1, err)
			continue
		}
		pl.parts = append(pl.parts, p)
	}
	pl.size()
	if err := pl.makeSpace(); err != nil {
		return nil, err
	}
	pl.makeLoose()
	return pl, nil
}

// size compares what is to be read with the dictionaries that would have to be read for it.
func (pl *plan) size() {
	var tuples, rows, codes int64
	for _, p := range pl.parts {
		for _, c := range p.candidates {
			n := p.chunks[c.chunk].Tuples
			if !c.all {
				n = p.test.guess(c.chunk, &p.chunks[c.chunk])
			}
			tuples += int64(n)
			rows += int64(p.chunks[c.chunk].Rows)
		}
		if p.method == methodSources {
			tuples += int64(p.codes)
		}
		codes += int64(p.codes)
	}
	pl.sparse = pl.run.engine.cfg.sparse(tuples, codes)
	pl.run.progress.expect(rows)
}

// opened is a segment of an interface.
type opened struct {
	*segment.Reader
	iface uint16
}

func (pl *plan) newPart(o *opened, c *condition) (p *part, err error) {
	p = &part{Reader: o.Reader, plan: pl, name: pl.run.interfaces[o.iface], done: map[int]bool{}}
	if pl.shape.iface {
		p.base = uint64(o.iface) << packedInterface
	}
	stamps, err := p.Stamps()
	if err != nil {
		return nil, err
	}
	from, until := within(stamps, pl.first, pl.last)
	if from == until {
		p.reason = "no interval in the time span"
		return p, nil
	}
	p.whole = from == 0 && until == len(stamps)
	p.ipv4, p.codes = p.IPv4Count(), p.AddressCount()
	if err := p.findZeros(); err != nil {
		return nil, err
	}
	if p.chunks, err = p.Chunks(); err != nil {
		return nil, err
	}
	if p.test, err = c.bind(p); err != nil {
		return nil, err
	}
	p.four = nil
	if p.test.operation == never {
		p.reason = "nothing in its dictionaries matches"
		return p, nil
	}
	p.choose(stamps, from, until)
	return p, nil
}

// loadServices reads the services, when they are needed first.
func (p *part) loadServices() (err error) {
	if p.services == nil {
		p.services, err = p.Services()
	}
	return err
}

// within returns the range of ascending stamps that are not before first nor after last.
func within(stamps []int64, first, last int64) (from, until int) {
	from, _ = slices.BinarySearch(stamps, first)
	until, _ = slices.BinarySearch(stamps, last+1)
	return from, max(from, until)
}

// makeBins lists the ends of the bins.
func (pl *plan) makeBins(parts []*part) error {
	add := func(stamp int64) {
		if end := pl.run.binEnd(stamp); len(pl.bins) == 0 || pl.bins[len(pl.bins)-1] != end {
			pl.bins = append(pl.bins, end)
		}
	}
	for _, p := range parts {
		stamps, err := p.Stamps()
		if err != nil {
			continue // prepare says so
		}
		from, until := within(stamps, pl.first, pl.last)
		for _, stamp := range stamps[from:until] {
			add(stamp)
		}
	}
	for g := range pl.run.groups.all() {
		pl.bins = append(pl.bins, g.key.stamp)
	}
	slices.Sort(pl.bins)
	pl.bins = slices.Compact(pl.bins)
	if len(pl.bins) > maxBins {
		return &wire.LimitError{What: "time bins", Limit: maxBins, Remedy: "ask for a longer time resolution or a shorter time span"}
	}
	return nil
}

// bin is the number of the bin of a stamp, as it stands in packed.rest.
func (pl *plan) bin(end int64) uint64 {
	i, _ := slices.BinarySearch(pl.bins, end)
	return uint64(i) << packedBin
}

// prepare makes what the rows of the part contribute to keys.
func (p *part) prepare() error {
	s := &p.plan.shape
	stamps, err := p.Stamps()
	if err != nil {
		return err
	}
	p.bins = make([]uint64, len(stamps))
	for i, stamp := range stamps {
		switch {
		case stamp < p.plan.first || stamp > p.plan.last:
			p.bins[i] = outside
		case s.time:
			p.bins[i] = p.plan.bin(p.plan.run.binEnd(stamp))
		}
	}
	if p.method == methodSources {
		p.prepareSources(stamps)
	} else if !p.byRow && s.time {
		p.base |= p.bins[0] // whole, and in one bin
	}
	if p.test.names() {
		if err := p.loadServices(); err != nil {
			return err
		}
	}
	p.wantColumns()
	return nil
}

// wantColumns says what is decoded of a chunk that has matches.
func (p *part) wantColumns() {
	s := &p.plan.shape
	if s.source || s.destination {
		p.wantKey |= segment.Sources // for the family, and for the place within a partition
	}
	if s.destination {
		p.wantKey |= segment.Destinations
	}
	if s.port || s.protocol {
		p.wantKey |= segment.Services
	}
	each := segment.Sum
	if p.byRow {
		each = segment.Value
		p.wantValues = segment.RowCounts | segment.StampIndices
	}
	for i := range segment.CounterCount {
		if p.HasCounter()>>i&1 != 0 {
			p.wantValues |= each << i
		}
	}
}
