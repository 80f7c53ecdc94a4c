package query

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// meaning is a condition and what it means, written down a second time.
type meaning struct {
	text  string
	row   func(iface string, r flow.Record) bool
	group func(c flow.Counters) bool
}

func conditions() []meaning {
	anyRow := func(string, flow.Record) bool { return true }
	anyGroup := func(flow.Counters) bool { return true }
	return []meaning{
		{"", anyRow, anyGroup},
		{"dport = 80", func(_ string, r flow.Record) bool { return r.Key.DestinationPort == 80 }, anyGroup},
		{"proto = tcp | iface = eth1", func(iface string, r flow.Record) bool { return r.Key.Protocol == flow.TCP || iface == "eth1" }, anyGroup},
		{"verdict = rejected", func(_ string, r flow.Record) bool { return r.Counters.Accepts == 0 && r.Counters.Rejects > 0 }, anyGroup},
		{"bytes > 100", anyRow, func(c flow.Counters) bool { return c.BytesReceived+c.BytesSent > 100 }},
		{"sip = 10.0.0.1 & packets <= 9", func(_ string, r flow.Record) bool { return r.Key.SourceAddr() == netip.MustParseAddr("10.0.0.1") },
			func(c flow.Counters) bool { return c.PacketsReceived+c.PacketsSent <= 9 }},
		{"ipversion = 6", func(_ string, r flow.Record) bool { return r.Key.Family == flow.IPv6 }, anyGroup},
	}
}

// question is a request, and its meaning spelt out.
type question struct {
	wire.Request
	meaning
}

func randomQuestion(r *rand.Rand) question {
	one := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	q := question{meaning: conditions()[r.IntN(len(conditions()))]}
	first := noon + r.Int64N(40)*100 - 600
	q.Request = wire.Request{
		Query: one("sip", "sip,dip", "dport,proto", "raw", "proto,verdict", "time", "time,dip", "time,iface,dport",
			"host,proto", "iface", "verdict,time", "sip,dip,dport,proto"),
		Ifaces:         one("any", "eth0", "eth0,eth1", "any,!eth1", "/^eth/"),
		Condition:      q.text,
		In:             r.IntN(4) == 0,
		Out:            r.IntN(4) == 0,
		First:          fmt.Sprint(first),
		Last:           fmt.Sprint(first + r.Int64N(4000)),
		SortBy:         one("bytes", "packets"),
		SortAscending:  r.IntN(4) == 0,
		NumResults:     1 + r.Int64N(12),
		TimeResolution: one("", "", "10m", "1h", "7s"),
		Merge:          r.IntN(2) == 0,
		Other:          r.IntN(2) == 0,
		Live:           r.IntN(4) == 0,
	}
	q.Seen = r.IntN(2) == 0 && !strings.Contains(q.Query, "time") && q.Query != "raw"
	q.Series = r.IntN(3) == 0 && slices.Contains([]string{"time", "time,dip", "time,iface,dport", "raw", "verdict,time"}, q.Query)
	return q
}

// naive answers a question from lists, one row and one group after the other: rows, totals, hits and remainder.
func naive(q *wire.Query, c meaning, stored, live memory) (rows []wire.Row, totals flow.Counters, hits wire.Hits, other wire.Other) {
	type group struct {
		row  wire.Row
		sum  flow.Counters
		name wire.Row // the group of the series that it is a bin of
	}
	var groups, wholes []group
	add := func(list *[]group, name, row wire.Row, sum flow.Counters) {
		i := slices.IndexFunc(*list, func(g group) bool { return g.row == row })
		if i < 0 {
			i, *list = len(*list), append(*list, group{row: row, name: name})
		}
		(*list)[i].sum.Add(sum)
	}
	each := func(m memory, first, last int64) {
		for _, iface := range q.Interfaces.Select([]string{"eth0", "eth1", "lo"}) {
			for _, b := range m[iface] {
				for _, r := range b.records {
					if b.End < first || b.End > last || !c.row(iface, r) {
						continue
					}
					row := naiveRow(q, iface, b.End, r)
					name := row
					if q.Series {
						name.Labels.Timestamp = time.Time{}
					}
					add(&groups, name, row, r.Counters)
					add(&wholes, name, name, r.Counters)
				}
			}
		}
	}
	each(stored, q.First, q.Last)
	if q.Live {
		each(live, q.First, q.Last+299)
	}
	wholes = slices.DeleteFunc(wholes, func(g group) bool { return !c.group(g.sum) })
	for _, g := range wholes {
		totals.Add(g.sum)
	}
	slices.SortFunc(wholes, func(a, b group) int { return naiveOrder(q, a.row, b.row, a.sum, b.sum) })
	shown := min(q.Limit, int64(len(wholes)))
	hits = wire.Hits{Displayed: shown, Total: int64(len(wholes))}
	bins := map[int64]flow.Counters{}
	for _, g := range groups {
		rank := slices.IndexFunc(wholes, func(w group) bool { return w.row == g.name })
		switch {
		case rank < 0:
		case int64(rank) < shown:
			g.row.Counters = wire.CountersFrom(g.sum)
			rows = append(rows, g.row)
		default:
			rest := other.Counters.Flow()
			rest.Add(g.sum)
			other.Counters = wire.CountersFrom(rest)
			bin := bins[g.row.Labels.Timestamp.Unix()]
			bin.Add(g.sum)
			bins[g.row.Labels.Timestamp.Unix()] = bin
		}
	}
	other.Groups = hits.Total - shown
	for stamp, sum := range bins {
		if q.Series {
			other.Bins = append(other.Bins, wire.OtherBin{Timestamp: moment(stamp), Counters: wire.CountersFrom(sum)})
		}
	}
	slices.SortFunc(other.Bins, func(a, b wire.OtherBin) int { return a.Timestamp.Compare(b.Timestamp) })
	wire.SortRows(rows, q)
	return rows, totals, hits, other
}

// naiveSeen finds when rows were seen, one row and one interval after the other.
func naiveSeen(q *wire.Query, c meaning, stored, live memory, rows []wire.Row) {
	each := func(m memory, first, last int64) {
		for _, iface := range q.Interfaces.Select([]string{"eth0", "eth1", "lo"}) {
			for _, b := range m[iface] {
				for _, record := range b.records {
					if b.End < first || b.End > last || !c.row(iface, record) {
						continue
					}
					name := naiveRow(q, iface, b.End, record)
					for i := range rows {
						if rows[i].Labels != name.Labels || rows[i].Attributes != name.Attributes {
							continue
						}
						if end := moment(b.End); rows[i].LastSeen.IsZero() || end.Before(rows[i].FirstSeen) {
							rows[i].FirstSeen = end
						}
						if end := moment(b.End); end.After(rows[i].LastSeen) {
							rows[i].LastSeen = end
						}
					}
				}
			}
		}
	}
	each(stored, q.First, q.Last)
	if q.Live {
		each(live, q.First, q.Last+299)
	}
}

// naiveOrder ranks groups: by time where rows have one, else by the direction's bytes or packets, then by name.
func naiveOrder(q *wire.Query, a, b wire.Row, x, y flow.Counters) int {
	weight := func(c flow.Counters) uint64 {
		in, out := c.BytesReceived, c.BytesSent
		if q.SortBy == wire.SortPackets {
			in, out = c.PacketsReceived, c.PacketsSent
		}
		return map[wire.Direction]uint64{wire.DirectionIn: in, wire.DirectionOut: out, wire.DirectionBoth: in + out}[q.Direction]
	}
	if q.SortBy != wire.SortTime {
		if c := cmp.Compare(weight(y), weight(x)); c != 0 {
			if q.Ascending {
				return -c
			}
			return c
		}
	}
	tie := []wire.Row{a, b}
	one := *q
	one.Series, one.SortBy = false, wire.SortTime
	wire.SortRows(tie, &one)
	if tie[0] == a {
		return -1
	}
	return 1
}

func naiveRow(q *wire.Query, iface string, end int64, r flow.Record) (row wire.Row) {
	for _, c := range q.Columns {
		switch c.Name {
		case "time":
			size := max(int64(q.Resolution/time.Second), 1)
			row.Labels.Timestamp = moment((end + size - 1) / size * size)
		case "sip":
			row.Attributes.Source = r.Key.SourceAddr()
		case "dip":
			row.Attributes.Destination = r.Key.DestinationAddr()
		case "dport":
			row.Attributes.DestinationPort = r.Key.DestinationPort
		case "proto":
			row.Attributes.Protocol = r.Key.Protocol
		case "verdict":
			row.Attributes.Verdict = r.Counters.Verdict().String()
		}
	}
	if !q.Merge || q.Has("iface") {
		row.Labels.Iface = iface
	}
	if !q.Merge || q.Has("host") {
		row.Labels.Host = "host1"
	}
	if !q.Merge || q.Has("hostid") {
		row.Labels.HostID = "id1"
	}
	return row
}

// world is random data, in a real store and in lists.
func world(t testing.TB, r *rand.Rand) (s *store.Store, stored, live memory) {
	stored, live = memory{}, memory{}
	s, err := store.Open(store.Config{Path: "/db"}, store.Deps{FS: vfs.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	for _, iface := range []string{"eth0", "eth1", "lo"} {
		for i := range uint64(10) {
			stored.add(iface, noon-3000+int64(i)*300, i)
			b := &stored[iface][i]
			for range r.IntN(30) {
				b.records = append(b.records, random(r))
			}
			if err := s.Append(context.Background(), iface, b.Interval, b.records); err != nil {
				t.Fatal(err)
			}
		}
		live.add(iface, noon+300, 99, random(r), random(r))
	}
	return s, stored, live
}

func checkAnswer(got *wire.Result, q *wire.Query, c meaning, stored, live memory) string {
	rows, totals, hits, other := naive(q, c, stored, live)
	if q.Seen {
		naiveSeen(q, c, stored, live, rows)
	}
	same := gocmp.Comparer(func(a, b wire.Row) bool { return a == b })
	if !slices.Equal(rows, got.Rows) {
		return "rows:\n" + gocmp.Diff(rows, got.Rows, same)
	}
	if got.Summary.Totals != wire.CountersFrom(totals) || got.Summary.Hits != hits {
		return fmt.Sprintf("totals %+v, hits %+v, want %+v, %+v", got.Summary.Totals, got.Summary.Hits, totals, hits)
	}
	if q.Other {
		return gocmp.Diff(&other, got.Summary.Other)
	}
	if got.Summary.Other != nil {
		return "a remainder nobody asked for"
	}
	return ""
}

// TestModel compares the engine over a real store with the naive evaluation.
func TestModel(t *testing.T) {
	r := testenv.Random(t)
	for range 4 {
		s, stored, live := world(t, r)
		e := engine(t, Deps{Stored: Stored(s), Live: live})
		for range 150 {
			question := randomQuestion(r)
			q := prepare(t, question.Request)
			got, err := e.Query(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := checkAnswer(got, q, question.meaning, stored, live); diff != "" {
				t.Fatalf("%+v:\n%s", question.Request, diff)
			}
		}
	}
}

// TestManyQueriesAtOnce: a hundred mixed queries against one engine each get their own answer.
func TestManyQueriesAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, stored, live := world(t, r)
	e := engine(t, Deps{Stored: Stored(s), Live: live})
	var clients sync.WaitGroup
	for range 100 {
		question := randomQuestion(r)
		q := prepare(t, question.Request)
		clients.Go(func() {
			got, err := e.Query(context.Background(), q)
			if err != nil {
				t.Error(err)
				return
			}
			if diff := checkAnswer(got, q, question.meaning, stored, live); diff != "" {
				t.Errorf("%+v:\n%s", question.Request, diff)
			}
		})
	}
	clients.Wait()
}
