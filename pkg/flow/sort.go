package flow

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Sorter brings records into the order of their keys; those with equal keys stay in theirs. Its zero value is ready; it
// keeps what it needs for the next time. It sorts numbers that stand for IPv4 keys, which is several times faster than
// to move records.
type Sorter struct {
	places  []place
	records []Record
}

// place is a key and where its record is.
type place struct {
	addresses uint64
	service   uint32
	at        uint32
}

// Sort sorts records, and reports whether they were not in order.
func (s *Sorter) Sort(records []Record) bool {
	if slices.IsSortedFunc(records, func(a, b Record) int { return a.Key.Compare(b.Key) }) {
		return false
	}
	s.places = s.places[:0]
	others := s.records[:0]
	for i := range records {
		k := &records[i].Key
		if k.Family != IPv4 {
			others = append(others, records[i])
			continue
		}
		addresses := uint64(binary.BigEndian.Uint32(k.Source[:4]))<<32 | uint64(binary.BigEndian.Uint32(k.Destination[:4]))
		s.places = append(s.places, place{addresses, uint32(k.DestinationPort)<<8 | uint32(k.Protocol), uint32(i)})
	}
	slices.SortFunc(s.places, func(a, b place) int {
		if a.addresses != b.addresses {
			return cmp.Compare(a.addresses, b.addresses)
		}
		if a.service != b.service {
			return cmp.Compare(a.service, b.service)
		}
		return cmp.Compare(a.at, b.at)
	})
	slices.SortStableFunc(others, func(a, b Record) int { return a.Key.Compare(b.Key) })
	count := len(others)
	for _, p := range s.places {
		others = append(others, records[p.at])
	}
	copy(records[copy(records, others[count:]):], others[:count])
	s.records = others
	return true
}
