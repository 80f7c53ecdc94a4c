package segment

import (
	"fmt"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
)

// segmentSource goes through a segment.
type segmentSource struct {
	r      *Reader
	chunks int
	loaded int // chunk to load next
	t      Tuples
	tuple  int // in the chunk
	first  int // first row of the tuple
	after  int // first row of the tuple after it
}

func readerCursor(r *Reader) (*cursor, error) {
	services, err := r.Services()
	if err != nil {
		return nil, err
	}
	totals, err := r.ServiceTotals()
	if err != nil {
		return nil, err
	}
	c := &cursor{}
	v := &c.vocabulary
	for i, s := range services {
		v.services = append(v.services, serviceNumber(s))
		v.rows = append(v.rows, totals[i].Rows)
	}
	if v.stamps, err = r.Stamps(); err != nil {
		return nil, err
	}
	if v.blocks, err = r.Blocks(); err != nil {
		return nil, err
	}
	four, err := r.IPv4()
	if err != nil {
		return nil, err
	}
	six, err := r.IPv6()
	if err != nil {
		return nil, err
	}
	v.four = addressList[uint32]{four.Len(), func(from, to int) ([]uint32, error) {
		return four.Values(nil, uint32(from), uint32(to))
	}}
	v.six = addressList[column.Uint128]{six.Len(), func(from, to int) ([]column.Uint128, error) {
		return six.Values(nil, six.base+uint32(from), six.base+uint32(to))
	}}
	chunks, err := r.Chunks()
	if err != nil {
		return nil, err
	}
	c.source = &segmentSource{r: r, chunks: len(chunks)}
	return c, nil
}

func (s *segmentSource) next() (inputTuple, bool, error) {
	if s.tuple++; s.loaded == 0 || s.tuple >= s.t.Count {
		if s.loaded == s.chunks {
			return inputTuple{}, false, nil
		}
		if err := s.r.Load(s.loaded, ofTuples|StampIndices|allCounters*Sum|allCounters*Value, &s.t); err != nil {
			return inputTuple{}, false, err
		}
		s.loaded++
		s.tuple, s.after = 0, 0
	}
	i := s.tuple
	s.first, s.after = s.after, s.after+int(s.t.RowCount[i])
	return inputTuple{s.t.Source[i], s.t.Destination[i], s.t.Service[i], s.t.Stamp[s.first:s.after]}, true, nil
}

func (s *segmentSource) row(i int, v *[CounterCount]uint64) {
	for c := range v {
		v[c] = 0
		if values := s.t.Value[c]; values != nil {
			v[c] = values[s.first+i]
		}
	}
}

// rowSource goes through rows in memory.
type rowSource struct {
	rows   []Row // from the tuple at hand on
	tuple  int   // number of its rows
	lookup *lookup
	ranks  rankTable
	stamps []uint32
}

func rowCursor(in Input) (*cursor, error) {
	var words Vocabulary
	for i := range in.rows {
		if i > 0 {
			c := compareKeys(&in.rows[i-1].Key, &in.rows[i].Key)
			if c > 0 || (c == 0 && in.rows[i-1].Stamp > in.rows[i].Stamp) {
				return nil, fmt.Errorf("row %d is not in order", i)
			}
		}
		words.Add(&in.rows[i])
	}
	words.finish()
	c := &cursor{vocabulary: inputVocabulary{blocks: in.blocks, services: ranked(words.services), stamps: words.stamps.list}}
	v := &c.vocabulary
	s := &rowSource{rows: in.rows, lookup: newLookup(&words), ranks: newRankTable(v.services)}
	for _, number := range v.services {
		v.rows = append(v.rows, words.services[number])
	}
	v.four = addressList[uint32]{len(words.four.list), func(from, to int) ([]uint32, error) { return words.four.list[from:to], nil }}
	v.six = addressList[column.Uint128]{len(words.six.list), func(from, to int) ([]column.Uint128, error) { return words.six.list[from:to], nil }}
	c.source = s
	return c, nil
}

func (s *rowSource) next() (inputTuple, bool, error) {
	s.rows = s.rows[s.tuple:]
	s.tuple = 0
	if len(s.rows) == 0 {
		return inputTuple{}, false, nil
	}
	k := &s.rows[0].Key
	s.stamps = s.stamps[:0]
	for s.tuple < len(s.rows) && s.rows[s.tuple].Key == *k {
		stamp, _ := s.lookup.index(s.rows[s.tuple].Stamp)
		s.stamps = append(s.stamps, stamp)
		s.tuple++
	}
	source, destination, found := s.lookup.codes(k)
	if !found || (k.Family != flow.IPv4 && k.Family != flow.IPv6) {
		return inputTuple{}, false, fmt.Errorf("row of %v: not IPv4 or IPv6", *k)
	}
	rank, _ := s.ranks.find(serviceNumber(Service{k.Protocol, k.DestinationPort}))
	return inputTuple{source, destination, rank, s.stamps}, true, nil
}

func (s *rowSource) row(i int, v *[CounterCount]uint64) { *v = split(&s.rows[i].Counters) }
