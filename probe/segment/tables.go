package segment

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"github.com/weirflow/weir/pkg/flow"
)

// StampTotal are the sums of a family over the rows of a stamp.
type StampTotal struct {
	Rows     uint64
	Counters flow.Counters
}

// StampTotals are the sums by stamp, in the order of Stamps. The slices must not be changed.
type StampTotals struct{ IPv4, IPv6 []StampTotal }

type stampTable struct {
	ends   []int64
	totals StampTotals
}

// Stamps are the distinct ends of intervals of the rows, ascending. Rows refer to them by index. The slice must not be
// changed.
func (r *Reader) Stamps() ([]int64, error) {
	t, err := r.stampTable()
	if err != nil {
		return nil, err
	}
	return t.ends, nil
}

// StampTotals returns the sums by stamp and family.
func (r *Reader) StampTotals() (StampTotals, error) {
	t, err := r.stampTable()
	if err != nil {
		return StampTotals{}, err
	}
	return t.totals, nil
}

func (r *Reader) stampTable() (*stampTable, error) {
	return r.stamps.get(func() (*stampTable, error) {
		b, err := r.section(sectionStamps)
		if err != nil {
			return nil, err
		}
		t, err := readStamps(b, &r.footer)
		if err != nil {
			return nil, r.sectionError(sectionStamps, err)
		}
		return t, nil
	})
}

// readStamps is the inverse of totals.appendStamps.
func readStamps(b []byte, f *footer) (*stampTable, error) {
	t := newTableReader(b)
	defer t.release()
	ends, err := t.column(int(f.stamps))
	if err != nil {
		return nil, err
	}
	table := &stampTable{ends: make([]int64, len(ends))}
	for i, end := range ends {
		table.ends[i] = f.meta.First + int64(end)
		if end > uint64(f.meta.Last-f.meta.First) || (i > 0 && ends[i-1] >= end) {
			return nil, fmt.Errorf("%w: end %d of interval %d", ErrDamaged, table.ends[i], i)
		}
	}
	if n := len(ends); n > 0 && (table.ends[0] != f.firstStamp || table.ends[n-1] != f.lastStamp) {
		return nil, fmt.Errorf("%w: bounds of the stamps", ErrDamaged)
	}
	for _, totals := range []*[]StampTotal{&table.totals.IPv4, &table.totals.IPv6} {
		rows, err := t.column(len(ends))
		if err != nil {
			return nil, err
		}
		*totals = make([]StampTotal, len(ends))
		for i, n := range rows {
			(*totals)[i].Rows = n
		}
		if err := t.counters(len(ends), func(i, c int, v uint64) { setCounter(&(*totals)[i].Counters, c, v) }); err != nil {
			return nil, err
		}
	}
	return table, t.end()
}

// setCounter sets the counter of a number.
func setCounter(c *flow.Counters, number int, v uint64) {
	switch number {
	case BytesReceived:
		c.BytesReceived = v
	case BytesSent:
		c.BytesSent = v
	case PacketsReceived:
		c.PacketsReceived = v
	case PacketsSent:
		c.PacketsSent = v
	case Attempts:
		c.Attempts = v
	case Accepts:
		c.Accepts = v
	case Rejects:
		c.Rejects = v
	case RoundTripNanoseconds:
		c.RoundTripNanoseconds = v
	case RoundTrips:
		c.RoundTrips = v
	}
}

// ServiceTotal are the sums of a service over the whole segment.
type ServiceTotal struct {
	Tuples, Rows uint64
	Counters     flow.Counters
}

type serviceTable struct {
	services []Service
	totals   []ServiceTotal
}

// Services are the services by rank. The slice must not be changed.
func (r *Reader) Services() ([]Service, error) {
	t, err := r.serviceTable()
	if err != nil {
		return nil, err
	}
	return t.services, nil
}

// ServiceTotals are the sums of all services, by rank. The slice must not be changed.
func (r *Reader) ServiceTotals() ([]ServiceTotal, error) {
	t, err := r.serviceTable()
	if err != nil {
		return nil, err
	}
	return t.totals, nil
}

func (r *Reader) serviceTable() (*serviceTable, error) {
	return r.services.get(func() (*serviceTable, error) {
		b, err := r.section(sectionServices)
		if err != nil {
			return nil, err
		}
		t, err := readServices(b, int(r.footer.services))
		if err != nil {
			return nil, r.sectionError(sectionServices, err)
		}
		return t, nil
	})
}

// readServices is the inverse of totals.appendServices.
func readServices(b []byte, n int) (*serviceTable, error) {
	t := newTableReader(b)
	defer t.release()
	var columns [4][]uint64
	for i := range columns {
		var err error
		if columns[i], err = t.column(n); err != nil {
			return nil, err
		}
	}
	table := &serviceTable{services: make([]Service, n), totals: make([]ServiceTotal, n)}
	for i := range n {
		protocol, port := columns[0][i], columns[1][i]
		if protocol > math.MaxUint8 || port > math.MaxUint16 {
			return nil, fmt.Errorf("%w: service %d", ErrDamaged, i)
		}
		table.services[i] = Service{Protocol: flow.Protocol(protocol), Port: uint16(port)}
		table.totals[i] = ServiceTotal{Tuples: columns[2][i], Rows: columns[2][i] + columns[3][i]}
	}
	if err := t.counters(n, func(i, c int, v uint64) { setCounter(&table.totals[i].Counters, c, v) }); err != nil {
		return nil, err
	}
	return table, t.end()
}

// Rollup is the counters of a service by stamp.
type Rollup struct {
	Stamps   []uint32 // indices of the stamps at which the service has rows with counters, ascending
	Counters []flow.Counters
}

// rollupEntry is the size of an entry in the index of rollups: rank and place.
const rollupEntry = 12

// rollupPlace returns rank and place of entry i of the index.
func rollupPlace(index []byte, i int) (rank uint32, start int64) {
	b := index[rollupEntry*i:][:rollupEntry]
	return binary.LittleEndian.Uint32(b), int64(binary.LittleEndian.Uint64(b[4:]))
}

// ServiceRollup returns the counters of a service by stamp, false if they are not stored.
func (r *Reader) ServiceRollup(rank uint32) (Rollup, bool, error) {
	index, err := r.rollupIndex.get(r.readRollupIndex)
	if err != nil {
		return Rollup{}, false, err
	}
	n, end := len(index)/rollupEntry, r.find(sectionRollups).length
	at := sort.Search(n, func(i int) bool {
		found, _ := rollupPlace(index, i)
		return found >= rank
	})
	if at == n {
		return Rollup{}, false, nil
	}
	found, start := rollupPlace(index, at)
	if found != rank {
		return Rollup{}, false, nil
	}
	if at+1 < n {
		_, end = rollupPlace(index, at+1)
	}
	b, err := r.pages(sectionRollups, start, end)
	if err != nil {
		return Rollup{}, false, err
	}
	rollup, err := readRollup(b, int(r.footer.stamps))
	if err != nil {
		offset := r.find(sectionRollups).offset
		return Rollup{}, false, r.damage(offset+start, end-start, fmt.Errorf("rollup of service %d: %w", rank, err))
	}
	return rollup, true, nil
}

// readRollupIndex reads the index, without its count, and checks that ranks ascend and rollups fill their section.
func (r *Reader) readRollupIndex() ([]byte, error) {
	b, err := r.section(sectionRollupIndex)
	if err != nil {
		return nil, err
	}
	if len(b) < 4 || int64(len(b)-4) != rollupEntry*int64(binary.LittleEndian.Uint32(b)) {
		return nil, r.sectionError(sectionRollupIndex, fmt.Errorf("%w: %d bytes", ErrDamaged, len(b)))
	}
	b = b[4:]
	length := r.find(sectionRollups).length
	next, before := int64(0), int64(-1)
	for i := range len(b) / rollupEntry {
		rank, start := rollupPlace(b, i)
		if int64(rank) < next || rank >= r.footer.services || start <= before || start > length || (i == 0 && start != 0) {
			return nil, r.sectionError(sectionRollupIndex, fmt.Errorf("%w: entry %d", ErrDamaged, i))
		}
		next, before = int64(rank)+1, start
	}
	return b, nil
}

// readRollup is the inverse of appendRollup.
func readRollup(b []byte, stamps int) (u Rollup, err error) {
	if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(stamps) {
		return u, fmt.Errorf("%w: number of stamps", ErrDamaged)
	}
	n := int(binary.LittleEndian.Uint32(b))
	t := newTableReader(b[4:])
	defer t.release()
	steps, err := t.column(n)
	if err != nil {
		return u, err
	}
	u = Rollup{Stamps: make([]uint32, n), Counters: make([]flow.Counters, n)}
	next := uint64(0)
	for i, step := range steps {
		if step >= uint64(stamps)-next {
			return u, fmt.Errorf("%w: stamp of a rollup", ErrDamaged)
		}
		u.Stamps[i] = uint32(next + step)
		next += step + 1
	}
	if err := t.counters(n, func(i, c int, v uint64) { setCounter(&u.Counters[i], c, v) }); err != nil {
		return u, err
	}
	return u, t.end()
}
