package query

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// TestTopIsTheSortedBeginning: whatever the order in which groups are offered, top keeps what sorting all of them
// and cutting would keep, and sums up the rest. Weights are few, so that many ties lie at the limit.
func TestTopIsTheSortedBeginning(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for _, request := range []wire.Request{
		{Query: "dport,iface"}, {Query: "dport,iface", SortAscending: true}, {Query: "dport", SortBy: "packets", In: true},
		{Query: "time,dport"}, {Query: "time"},
	} {
		for _, limit := range []int64{1, 7, 200, 5000} {
			request.NumResults = limit
			q := prepare(t, request)
			var all []wire.Row
			got := newTop(q, limit, 3000)
			for _, i := range r.Perm(3000) {
				c := flow.Counters{BytesReceived: r.Uint64N(9), PacketsReceived: r.Uint64N(9)}
				row := wire.Row{Counters: wire.CountersFrom(c)}
				row.Labels.Timestamp = moment(noon + r.Int64N(20))
				row.Attributes.DestinationPort, row.Labels.Iface = uint16(i), string(rune('a'+i%7))
				all = append(all, row)
				got.add(c, row.Labels.Timestamp.Unix(), func() wire.Row { return row })
			}
			wire.SortRows(all, q)
			cut := min(int(limit), len(all))
			var rest flow.Counters
			for _, row := range all[cut:] {
				rest.Add(row.Counters.Flow())
			}
			if !slices.Equal(all[:cut], got.finish()) || got.rest != rest || got.cut != int64(len(all)-cut) {
				t.Fatalf("seed %d, %+v", seed, request)
			}
		}
	}
}
