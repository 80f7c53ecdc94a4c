package store

import (
	"encoding/binary"
	"fmt"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/segment"
)

// segmentRows reads the rows of a segment, chunk by chunk. It holds the dictionaries.
type segmentRows struct {
	reader   *segment.Reader
	chunks   []segment.Chunk
	four     []uint32
	six      []column.Uint128
	services []segment.Service
	stamps   []int64
	tuples   segment.Tuples
}

// allColumns are all that makes up rows.
const allColumns = segment.Sources | segment.Destinations | segment.Services | segment.RowCounts | segment.StampIndices |
	segment.Value*(1<<segment.CounterCount-1)

func openRows(s *segment.Reader) (r *segmentRows, err error) {
	r = &segmentRows{reader: s}
	if r.chunks, err = s.Chunks(); err != nil {
		return nil, err
	}
	if r.services, err = s.Services(); err != nil {
		return nil, err
	}
	if r.stamps, err = s.Stamps(); err != nil {
		return nil, err
	}
	four, err := s.IPv4()
	if err == nil {
		r.four, err = four.Values(nil, 0, s.IPv4Count())
	}
	if err != nil {
		return nil, err
	}
	six, err := s.IPv6()
	if err == nil {
		r.six, err = six.Values(nil, s.IPv4Count(), s.AddressCount())
	}
	return r, err
}

// load decodes a chunk.
func (r *segmentRows) load(chunk int) error {
	if err := r.reader.Load(chunk, allColumns, &r.tuples); err != nil {
		return err
	}
	t := &r.tuples
	sum := 0
	for i := range t.Count {
		if (t.Source[i] < uint32(len(r.four))) != (t.Destination[i] < uint32(len(r.four))) {
			return fmt.Errorf("%w: addresses of two families in a tuple", segment.ErrDamaged)
		}
		sum += int(t.RowCount[i])
	}
	if sum != t.Rows {
		return fmt.Errorf("%w: %d rows in its tuples, %d in all", segment.ErrDamaged, sum, t.Rows)
	}
	return nil
}

// each visits the rows of the chunk loaded last that have stamps from up to and without to.
func (r *segmentRows) each(from, to int, visit func(stamp int, record flow.Record) error) error {
	t := &r.tuples
	row := 0
	var record flow.Record
	for i := range t.Count {
		have := false
		for end := row + int(t.RowCount[i]); row < end; row++ {
			stamp := int(t.Stamp[row])
			if stamp < from || stamp >= to {
				continue
			}
			if !have {
				record.Key = r.key(i)
				have = true
			}
			record.Counters = r.counters(row)
			if err := visit(stamp, record); err != nil {
				return err
			}
		}
	}
	return nil
}

// key is that of a tuple.
func (r *segmentRows) key(tuple int) (k flow.Key) {
	t := &r.tuples
	source, destination, service := t.Source[tuple], t.Destination[tuple], r.services[t.Service[tuple]]
	k.Protocol, k.DestinationPort = service.Protocol, service.Port
	if n := uint32(len(r.four)); source < n {
		k.Family = flow.IPv4
		binary.BigEndian.PutUint32(k.Source[:], r.four[source])
		binary.BigEndian.PutUint32(k.Destination[:], r.four[destination])
	} else {
		k.Family = flow.IPv6
		putUint128(&k.Source, r.six[source-n])
		putUint128(&k.Destination, r.six[destination-n])
	}
	return k
}

func putUint128(a *flow.Address, v column.Uint128) {
	binary.BigEndian.PutUint64(a[:], v.Hi)
	binary.BigEndian.PutUint64(a[8:], v.Lo)
}

// counters are those of a row.
func (r *segmentRows) counters(row int) flow.Counters {
	v := &r.tuples.Value
	at := func(counter int) uint64 {
		if len(v[counter]) == 0 {
			return 0
		}
		return v[counter][row]
	}
	return flow.Counters{
		BytesReceived: at(segment.BytesReceived), BytesSent: at(segment.BytesSent),
		PacketsReceived: at(segment.PacketsReceived), PacketsSent: at(segment.PacketsSent),
		Attempts: at(segment.Attempts), Accepts: at(segment.Accepts), Rejects: at(segment.Rejects),
		RoundTripNanoseconds: at(segment.RoundTripNanoseconds), RoundTrips: at(segment.RoundTrips),
	}
}
