package flow

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSorter: records come out as a stable sort by key leaves them.
func TestSorter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var s Sorter
	for range 200 {
		records := make([]Record, r.IntN(60))
		for i := range records {
			k := &records[i].Key
			k.Family = []Family{IPv4, IPv6}[r.IntN(2)]
			k.Source[r.IntN(4)], k.Destination[r.IntN(4)] = byte(r.IntN(3))<<6, byte(r.IntN(3))<<6
			if k.Family == IPv6 {
				k.Source[15] = byte(r.IntN(3))
			}
			k.DestinationPort, k.Protocol = uint16(r.IntN(3))<<14, Protocol(r.IntN(2))
			records[i].Counters.BytesReceived = uint64(i)
		}
		want := slices.Clone(records)
		slices.SortStableFunc(want, func(a, b Record) int { return a.Key.Compare(b.Key) })
		changed := !slices.Equal(records, want)
		if got := s.Sort(records); got != changed || !slices.Equal(records, want) {
			t.Fatalf("sorted %v, %v, want %v, %v", got, records, changed, want)
		}
		if s.Sort(records) {
			t.Fatal("sorted records are sorted again")
		}
	}
}
