package segment

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
)

// StampTotal are the sums of a family over the rows of a stamp.
type StampTotal struct {
	Rows     uint64
	Counters flow.Counters
}

// StampTotals are the sums by stamp, in the order of Stamps. The slices must not be changed.
type StampTotals struct{ IPv4, IPv6 []StampTotal }

// Stamps are the distinct ends of intervals of the rows, ascending. Rows refer to them by index. The slice must not be
// changed.
func (r *Reader) Stamps() ([]int64, error) {
	return r.stamps.get(func() ([]int64, error) {
		b, err := r.section(sectionStamps)
		if err != nil {
			return nil, err
		}
		stamps, err := readStamps(b, &r.footer)
		if err != nil {
			return nil, r.sectionError(sectionStamps, err)
		}
		return stamps, nil
	})
}

// readStamps is the inverse of totals.appendStamps.
func readStamps(b []byte, f *footer) ([]int64, error) {
	t := newTableReader(b)
	defer t.release()
	ends, err := t.column(int(f.stamps))
	if err != nil {
		return nil, err
	}
	stamps := make([]int64, len(ends))
	for i, end := range ends {
		stamps[i] = f.meta.First + int64(end)
		if end > uint64(f.meta.Last-f.meta.First) || (i > 0 && ends[i-1] >= end) {
			return nil, fmt.Errorf("%w: end %d of interval %d", ErrDamaged, stamps[i], i)
		}
	}
	if n := len(stamps); n > 0 && (stamps[0] != f.firstStamp || stamps[n-1] != f.lastStamp) {
		return nil, fmt.Errorf("%w: bounds of the stamps", ErrDamaged)
	}
	return stamps, t.end()
}

// StampTotals returns the sums by stamp and family.
func (r *Reader) StampTotals() (StampTotals, error) {
	return r.stampSums.get(func() (StampTotals, error) {
		b, err := r.section(sectionStampSums)
		if err != nil {
			return StampTotals{}, err
		}
		totals, err := readStampSums(b, int(r.footer.stamps))
		if err != nil {
			return StampTotals{}, r.sectionError(sectionStampSums, err)
		}
		return totals, nil
	})
}

// readStampSums is the inverse of totals.appendStampSums.
func readStampSums(b []byte, n int) (totals StampTotals, err error) {
	t := newTableReader(b)
	defer t.release()
	for _, of := range []*[]StampTotal{&totals.IPv4, &totals.IPv6} {
		rows, err := t.column(n)
		if err != nil {
			return totals, err
		}
		sums := make([]StampTotal, n)
		for i, rows := range rows {
			sums[i].Rows = rows
		}
		if err := t.counters(n, func(i int) *flow.Counters { return &sums[i].Counters }); err != nil {
			return totals, err
		}
		*of = sums
	}
	return totals, t.end()
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

// Services are the services by rank. The slice must not be changed.
func (r *Reader) Services() ([]Service, error) { return r.FirstServices(r.ServiceCount()) }

// ServiceTotals are the sums of all services, by rank. They are large and not kept; SumsByService takes less.
func (r *Reader) ServiceTotals() ([]ServiceTotal, error) {
	t, err := r.sectionTable(sectionServiceSums)
	if err != nil {
		return nil, err
	}
	defer t.release()
	totals, err := readServiceSums(&t, int(r.footer.services))
	if err != nil {
		return nil, r.sectionError(sectionServiceSums, err)
	}
	return totals, nil
}

// readServiceSums is the inverse of totals.appendServiceSums.
func readServiceSums(t *tableReader, n int) ([]ServiceTotal, error) {
	tuples, err := t.column(n)
	if err != nil {
		return nil, err
	}
	rows, err := t.column(n)
	if err != nil {
		return nil, err
	}
	totals := make([]ServiceTotal, n)
	for i := range totals {
		totals[i].Tuples, totals[i].Rows = tuples[i], tuples[i]+rows[i]
	}
	if err := t.counters(n, func(i int) *flow.Counters { return &totals[i].Counters }); err != nil {
		return nil, err
	}
	return totals, t.end()
}

// Rollup is the counters of a service by stamp.
type Rollup struct {
	Stamps   []uint32 // indices of the stamps at which the service has rows with counters, ascending
	Counters []flow.Counters
}

// RollupCount is the number of services whose counters by stamp are stored: those of the ranks below it.
func (r *Reader) RollupCount() (int, error) {
	x, err := r.rollups()
	return x.pages(), err
}

// rollups reads the index of the rollups.
func (r *Reader) rollups() (index, error) {
	return r.rollupIndex.get(func() (index, error) {
		b, err := r.section(sectionRollupIndex)
		if err != nil {
			return index{}, err
		}
		n := int64(len(b)-4) / 8
		if n > int64(r.footer.services) {
			return index{}, r.sectionError(sectionRollupIndex, fmt.Errorf("%w: %d of %d services", ErrDamaged, n, r.footer.services))
		}
		x, err := openIndex(b, 0, n, 1, r.find(sectionRollups).length)
		if err != nil {
			return index{}, r.sectionError(sectionRollupIndex, err)
		}
		return x, nil
	})
}

// ServiceRollup reads the counters of a service by stamp into into, whose memory it uses. It returns false if they are not
// stored: they are for the ranks below RollupCount.
func (r *Reader) ServiceRollup(rank uint32, into *Rollup) (known bool, err error) {
	x, err := r.rollups()
	if err != nil || int64(rank) >= int64(x.pages()) {
		return false, err
	}
	start, end := x.place(int(rank), int(rank)+1, r.find(sectionRollups).length)
	t, err := r.pageTable(sectionRollups, start, end)
	if err != nil {
		return false, err
	}
	defer t.release()
	if err := r.checkPage(sectionRollups, int(rank), t.b); err != nil {
		return false, err
	}
	if err := into.read(&t, int(r.footer.stamps)); err != nil {
		offset := r.find(sectionRollups).offset
		return false, r.damage(offset+start, end-start, fmt.Errorf("rollup of service %d: %w", rank, err))
	}
	return true, nil
}

// read is the inverse of appendRollup.
func (u *Rollup) read(t *tableReader, stamps int) error {
	if len(t.b) < 4 || int64(binary.LittleEndian.Uint32(t.b)) > int64(stamps) {
		return fmt.Errorf("%w: number of stamps", ErrDamaged)
	}
	n := int(binary.LittleEndian.Uint32(t.b))
	t.b = t.b[4:]
	steps, err := t.column(n)
	if err != nil {
		return err
	}
	u.Stamps = slices.Grow(u.Stamps[:0], n)[:n]
	u.Counters = slices.Grow(u.Counters[:0], n)[:n]
	clear(u.Counters)
	next := uint64(0)
	for i, step := range steps {
		if step >= uint64(stamps)-next {
			return fmt.Errorf("%w: stamp of a rollup", ErrDamaged)
		}
		u.Stamps[i] = uint32(next + step)
		next += step + 1
	}
	if err := t.counters(n, func(i int) *flow.Counters { return &u.Counters[i] }); err != nil {
		return err
	}
	return t.end()
}
