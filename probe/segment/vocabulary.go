package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
)

// Vocabulary is what rows are made of: addresses, services and stamps. A Writer has to know it before the first row,
// as rows are stored by the numbers of these. It takes 4 bytes for each distinct IPv4 address, 16 for each IPv6
// address, and while it is collected up to six times as much. Its zero value is empty.
type Vocabulary struct {
	four     distinct[uint32]
	six      distinct[column.Uint128]
	stamps   distinct[int64]
	services map[uint32]uint64 // rows of each, without those in recent
	recent   *[recentSize]serviceCount
	last     flow.Key
	tidy     bool
}

// recentSize is the size of the tables that keep what has been seen a moment ago from being noted again.
const recentSize = 1 << 12

// hash spreads a number over such a table.
func hash(v uint64) uint64 { return v * 0x9e3779b97f4a7c15 >> (64 - 12) }

// distinct is a set that is kept as a list, made distinct from time to time.
type distinct[T comparable] struct {
	list   []T
	tidied int // length when it was last made distinct
	recent []T
}

// add adds a value.
func (d *distinct[T]) add(v T, hash uint64, sort func([]T)) {
	if d.recent == nil {
		d.recent = make([]T, recentSize)
	}
	if d.recent[hash%recentSize] == v && len(d.list) > 0 {
		var zero T
		if v != zero { // or a place that was never used
			return
		}
	}
	d.recent[hash%recentSize] = v
	d.list = append(d.list, v)
	if len(d.list) >= max(1<<16, 3*d.tidied) {
		d.tidy(sort)
	}
}

func (d *distinct[T]) tidy(sort func([]T)) {
	sort(d.list)
	d.list = slices.Compact(d.list)
	d.tidied = len(d.list)
}

func sort64(list []int64) { slices.Sort(list) }

func sort128(list []column.Uint128) { slices.SortFunc(list, column.Uint128.Compare) }

// sort32 sorts by digits of 11 bits, in memory for as many values again: long lists in a fifth of the time that
// comparisons take.
func sort32(list []uint32) {
	const digit, short = 11, 1 << 12
	if len(list) < short {
		slices.Sort(list)
		return
	}
	var starts [3][1 << digit]uint32
	for _, v := range list {
		for i := range starts {
			starts[i][v>>(digit*i)%(1<<digit)]++
		}
	}
	from, to := list, make([]uint32, len(list))
	for i := range starts {
		next := uint32(0)
		for j, n := range starts[i] {
			starts[i][j] = next
			next += n
		}
		for _, v := range from {
			at := &starts[i][v>>(digit*i)%(1<<digit)]
			to[*at] = v
			*at++
		}
		from, to = to, from
	}
	copy(list, from)
}

// serviceCount is a service and a number of its rows.
type serviceCount struct {
	number uint32
	rows   uint32
}

// serviceNumber orders services as flow.Key.Compare does.
func serviceNumber(s Service) uint32 { return uint32(s.Port)<<8 | uint32(s.Protocol) }

func serviceOf(n uint32) Service { return Service{Protocol: flow.Protocol(n), Port: uint16(n >> 8)} }

// Add notes what a row is made of. The row need not come in any order.
func (v *Vocabulary) Add(row *Row) {
	v.tidy = false
	k := &row.Key
	v.addService(serviceNumber(Service{k.Protocol, k.DestinationPort}))
	sameSource := k.Family == v.last.Family && k.Source == v.last.Source
	if !sameSource {
		v.addAddress(&k.Source, k.Family)
	}
	if !sameSource || k.Destination != v.last.Destination {
		v.addAddress(&k.Destination, k.Family)
	}
	v.last = *k
	v.stamps.add(row.Stamp, hash(uint64(row.Stamp)), sort64)
}

func (v *Vocabulary) addAddress(a *flow.Address, f flow.Family) {
	if f == flow.IPv4 {
		n := address4(a)
		v.four.add(n, hash(uint64(n)), sort32)
		return
	}
	n := address6(a)
	v.six.add(n, hash(n.Hi^n.Lo), sort128)
}

func (v *Vocabulary) addService(number uint32) {
	if v.services == nil {
		v.services, v.recent = map[uint32]uint64{}, &[recentSize]serviceCount{}
	}
	at := &v.recent[hash(uint64(number))]
	if at.rows > 0 && (at.number != number || at.rows == math.MaxUint32) {
		v.services[at.number] += uint64(at.rows)
		at.rows = 0
	}
	at.number = number
	at.rows++
}

// finish sorts everything.
func (v *Vocabulary) finish() {
	if v.tidy {
		return
	}
	v.four.tidy(sort32)
	v.six.tidy(sort128)
	v.stamps.tidy(sort64)
	if v.recent != nil {
		for i := range v.recent {
			if at := &v.recent[i]; at.rows > 0 {
				v.services[at.number] += uint64(at.rows)
				at.rows = 0
			}
		}
	}
	v.tidy = true
}

// ranked returns the services by falling number of rows.
func ranked(rows map[uint32]uint64) []uint32 {
	type count struct {
		number uint32
		rows   uint64
	}
	counts := make([]count, 0, len(rows))
	for s, n := range rows {
		counts = append(counts, count{s, n})
	}
	slices.SortFunc(counts, func(a, b count) int {
		return cmp.Or(cmp.Compare(b.rows, a.rows), cmp.Compare(a.number, b.number))
	})
	services := make([]uint32, len(counts))
	for i, c := range counts {
		services[i] = c.number
	}
	return services
}

// rankTable finds the ranks of services.
type rankTable struct {
	services []uint32 // by rank
	all      map[uint32]uint32
	recent   *[recentSize]uint32 // rank plus 1 of a service that was asked for
}

func newRankTable(services []uint32) rankTable {
	t := rankTable{services: services, all: make(map[uint32]uint32, len(services)), recent: new([recentSize]uint32)}
	for rank, s := range services {
		t.all[s] = uint32(rank)
	}
	return t
}

func (t *rankTable) find(number uint32) (rank uint32, found bool) {
	at := &t.recent[hash(uint64(number))]
	if *at > 0 && t.services[*at-1] == number {
		return *at - 1, true
	}
	if rank, found = t.all[number]; found {
		*at = rank + 1
	}
	return rank, found
}

// lookup finds the numbers of what a row is made of. It is made for rows in the order of keys.
type lookup struct {
	four   []uint32
	six    []column.Uint128
	stamps []int64
	high   []uint32 // where the addresses with the same upper 16 bits begin
	source int      // place of the last source in its list
	family flow.Family
	stamp  int
}

func newLookup(v *Vocabulary) *lookup {
	l := &lookup{four: v.four.list, six: v.six.list, stamps: v.stamps.list, high: make([]uint32, 1<<16+1)}
	for _, a := range v.four.list {
		l.high[a>>16+1]++
	}
	for i := range 1 << 16 {
		l.high[i+1] += l.high[i]
	}
	return l
}

// find4 returns the place of an IPv4 address.
func (l *lookup) find4(a uint32) (int, bool) {
	from, to := l.high[a>>16], l.high[a>>16+1]
	at, found := slices.BinarySearch(l.four[from:to], a)
	return int(from) + at, found
}

// codes returns the codes of source and destination.
func (l *lookup) codes(k *flow.Key) (source, destination uint32, found bool) {
	if k.Family != l.family {
		l.family, l.source = k.Family, 0
	}
	if k.Family == flow.IPv4 {
		want := address4(&k.Source)
		for l.source < len(l.four) && l.four[l.source] < want {
			l.source++
		}
		if l.source == len(l.four) || l.four[l.source] != want {
			return 0, 0, false
		}
		at, found := l.find4(address4(&k.Destination))
		return uint32(l.source), uint32(at), found
	}
	want := address6(&k.Source)
	for l.source < len(l.six) && l.six[l.source].Compare(want) < 0 {
		l.source++
	}
	if l.source == len(l.six) || l.six[l.source] != want {
		return 0, 0, false
	}
	at, found := slices.BinarySearchFunc(l.six, address6(&k.Destination), column.Uint128.Compare)
	return uint32(len(l.four) + l.source), uint32(len(l.four) + at), found
}

// index returns the number of a stamp.
func (l *lookup) index(stamp int64) (uint32, bool) {
	if l.stamp < len(l.stamps) && l.stamps[l.stamp] == stamp {
		return uint32(l.stamp), true
	}
	at, found := slices.BinarySearch(l.stamps, stamp)
	l.stamp = at
	return uint32(at), found
}

// compareKeys is flow.Key.Compare with less work where most keys differ in the first bytes.
func compareKeys(a, b *flow.Key) int {
	if a.Family != b.Family {
		return cmp.Compare(a.Family, b.Family)
	}
	if x, y := binary.BigEndian.Uint64(a.Source[:]), binary.BigEndian.Uint64(b.Source[:]); x != y {
		return cmp.Compare(x, y)
	}
	if c := bytes.Compare(a.Source[8:], b.Source[8:]); c != 0 {
		return c
	}
	if c := bytes.Compare(a.Destination[:], b.Destination[:]); c != 0 {
		return c
	}
	return cmp.Compare(serviceNumber(Service{a.Protocol, a.DestinationPort}), serviceNumber(Service{b.Protocol, b.DestinationPort}))
}
