package query

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// TestTopIsTheSortedBeginning: whatever the order in which groups are offered, top keeps what sorting all rows and
// cutting would keep, and sums up the rest. Weights are few, so that many ties lie at the limit.
func TestTopIsTheSortedBeginning(t *testing.T) {
	random := testenv.Random(t)
	for _, request := range []wire.Request{
		{Query: "dport,iface"}, {Query: "dport,iface", SortAscending: true}, {Query: "dport", SortBy: "packets", In: true},
		{Query: "time,dport"}, {Query: "time"}, {Query: "sip,dip,proto,verdict"}, {Query: "dip,verdict"},
	} {
		for _, limit := range []int64{1, 7, 200, 5000} {
			request.NumResults = limit
			q := prepare(t, request)
			r := &run{engine: engine(t, Deps{Stored: memory{}}), query: q, shape: shapeOf(q), interfaces: []string{"a", "b", "c"}}
			groups := someGroups(random, &r.shape)
			got, joined, other := newTop(q, limit), newTop(q, limit), newTop(q, limit)
			var all []wire.Row
			for i := range groups {
				got.add(&groups[i])
				[]*top{joined, other}[random.IntN(2)].add(&groups[i])
				all = append(all, r.row(&r.shape, &groups[i]))
			}
			joined.join(other)
			wire.SortRows(all, q)
			cut := min(int(limit), len(all))
			var rest flow.Counters
			for _, row := range all[cut:] {
				rest.Add(row.Counters.Flow())
			}
			for _, have := range []*top{got, joined} {
				if rows := r.rows(&r.shape, have.finish()); !slices.Equal(all[:cut], rows) || have.rest != rest || have.cut != int64(len(all)-cut) {
					t.Fatalf("%+v", request)
				}
			}
		}
	}
}

// someGroups makes groups with distinct keys.
func someGroups(r *rand.Rand, s *shape) (list []group) {
	seen := map[key]bool{}
	for range 3000 {
		record := flow.Record{Counters: flow.Counters{BytesReceived: r.Uint64N(9), PacketsReceived: r.Uint64N(9)}}
		record.Key = flow.Key{DestinationPort: uint16(r.IntN(900)), Protocol: flow.Protocol(r.IntN(3)), Family: flow.IPv4}
		if r.IntN(2) == 0 {
			record.Key.Family = flow.IPv6
		}
		binary.BigEndian.PutUint32(record.Key.Source[:], r.Uint32N(70))
		binary.BigEndian.PutUint32(record.Key.Destination[:], r.Uint32N(70))
		switch r.IntN(4) {
		case 0:
			record.Counters.Accepts = 1
		case 1:
			record.Counters.Rejects = 1
		case 2:
			record.Counters.Attempts = 1
		}
		k := s.key(&record, uint16(r.IntN(3)), noon+r.Int64N(20))
		if !seen[k] {
			seen[k] = true
			list = append(list, group{k, record.Counters})
		}
	}
	return list
}
