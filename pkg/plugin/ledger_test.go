package plugin

import (
	"context"
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// entry is what an interface counted of a flow in an interval.
type entry struct {
	ago      time.Duration // before noon, of the interval's end
	iface    string
	sip, dip string
	port     uint16
	counters wire.Counters
}

// ledger is a fake that knows these TCP flows and answers every question about them, in the plainest way.
func ledger(host string, entries ...entry) *fake {
	f := newFake(host)
	f.answer = func(r *wire.Request) (*wire.Result, error) {
		q, err := r.PrepareWith(context.Background(), noon, wire.Names{List: f.list})
		if err != nil {
			return nil, err
		}
		full := &wire.Result{
			Hostname: host, Status: wire.Status{Code: wire.CodeOK, State: wire.StateOK},
			HostsStatuses: map[string]wire.Status{host: {Code: wire.CodeOK, State: wire.StateOK, First: noon.Add(-48 * time.Hour), Last: noon}},
			Summary: wire.Summary{
				Interfaces: []string{"eth0"}, DataAvailable: true, TimeLast: noon, TimeFirst: time.Unix(q.First-1, 0).UTC(),
				Accounting: &wire.Accounting{Received: 1000, Dropped: uint64(len(host))},
			},
		}
		for i := range entries {
			book(full, q, host, &entries[i])
		}
		if q.Series {
			for end := q.BinEnd(q.First); end <= q.Last; end += int64(q.Resolution / time.Second) {
				full.Summary.Coverage = append(full.Summary.Coverage, wire.BinCoverage{Timestamp: time.Unix(end, 0).UTC(), Seconds: q.Resolution.Seconds()})
			}
		}
		return merged(q, full), nil
	}
	return f
}

func (f *fake) list(name string) (filter.Set, error) {
	if l := f.lists[name]; l != nil {
		return l, nil
	}
	return wire.ListElsewhere(name)
}

// book adds an entry to the rows of a result, if the query is about it.
func book(full *wire.Result, q *wire.Query, host string, e *entry) {
	stamp := noon.Add(-e.ago)
	within := func(shift int64) bool { return stamp.Unix() >= q.First-shift && stamp.Unix() <= q.Last-shift }
	now, before := within(0), q.Compares() && within(q.CompareShift())
	if !now && !before {
		return
	}
	source, destination := netip.MustParseAddr(e.sip), netip.MustParseAddr(e.dip)
	key := flow.Key{DestinationPort: e.port, Protocol: flow.TCP}
	key.Source, key.Family = flow.AddressFrom(source)
	key.Destination, _ = flow.AddressFrom(destination)
	if !q.Matcher.Row(&filter.Row{Key: key, Counters: e.counters.Flow(), Interface: e.iface, Host: host}) || !q.Interfaces.Contains(e.iface) {
		return
	}
	row := wire.Row{
		Labels:     wire.Labels{Host: host, HostID: host + "-id", Iface: e.iface, Timestamp: stamp},
		Attributes: kept(q, wire.Attributes{Source: source, Destination: destination, DestinationPort: e.port, Protocol: flow.TCP}),
		FirstSeen:  stamp, LastSeen: stamp,
	}
	if now {
		row.Counters = e.counters
	} else {
		row.Before = &e.counters
	}
	if !q.Seen {
		row.FirstSeen, row.LastSeen = time.Time{}, time.Time{}
	}
	full.Rows = append(full.Rows, row)
}

// kept are the attributes that the query names.
func kept(q *wire.Query, a wire.Attributes) wire.Attributes {
	if !q.Has("sip") {
		a.Source = netip.Addr{}
	}
	if !q.Has("dip") {
		a.Destination = netip.Addr{}
	}
	if !q.Has("dport") {
		a.DestinationPort = 0
	}
	if !q.Has("proto") {
		a.Protocol = 0
	}
	return a
}

// merged is a result as a server gives it: grouped, ranked and cut.
func merged(q *wire.Query, full *wire.Result) *wire.Result {
	for i := range full.Rows {
		full.Summary.Totals = wire.CountersFrom(sum(full.Summary.Totals.Flow(), full.Rows[i].Counters.Flow()))
	}
	merger := wire.NewMerger(q)
	merger.Add(full)
	result := merger.Result()
	result.Hostname, result.Status, result.HostsStatuses = full.Hostname, full.Status, full.HostsStatuses
	return result
}

func sum(a, b flow.Counters) flow.Counters {
	a.Add(b)
	return a
}
