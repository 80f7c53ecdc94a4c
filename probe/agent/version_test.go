package agent

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// direct asks an agent without a network in between, and counts.
type direct struct {
	agent          *Agent
	asked, scanned atomic.Int64
}

func (d *direct) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	d.asked.Add(1)
	q, err := r.Prepare(time.Now())
	if err != nil {
		return nil, err
	}
	result, err := d.agent.Query(ctx, q, nil)
	if err == nil && !result.Unchanged {
		d.scanned.Add(1)
	}
	return result, err
}

func (d *direct) Catalog(ctx context.Context) (*wire.Catalog, error) { return d.agent.Catalog(ctx) }

// put counts a packet from each of n sources in an interval of the agent's store.
func (r *rig) put(iface string, end int64, n int) {
	r.t.Helper()
	var records []flow.Record
	for i := range n {
		record := flow.Record{Key: flow.Key{DestinationPort: 443, Protocol: 6}, Counters: flow.Counters{BytesReceived: uint64(100 * (i + 1)), PacketsReceived: 1}}
		record.Key.Source, record.Key.Family = flow.AddressFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}))
		record.Key.Destination, _ = flow.AddressFrom(netip.MustParseAddr("192.0.2.1"))
		records = append(records, record)
	}
	interval := flow.Interval{End: end, Duration: 5 * time.Minute, Sequence: uint64(end)}
	if err := r.store.Append(r.t.Context(), iface, interval, records); err != nil {
		r.t.Fatal(err)
	}
}

// yesterday's dashboard.
func dashboard(midnight int64) []wire.Request {
	first, last := strconv.FormatInt(midnight-86400+1, 10), strconv.FormatInt(midnight, 10)
	return []wire.Request{
		{Query: "sip", Ifaces: "any", First: first, Last: last, Merge: true},
		{Query: "sip,dip,dport,proto,iface", Ifaces: "eth0", First: first, Last: last, NumResults: 5, Other: true},
		{Query: "time,sip", Ifaces: "any", First: first, Last: last, TimeResolution: "1h", Series: true, Merge: true},
		{Query: "dport", Ifaces: "any", First: first, Last: last, Merge: true, Condition: "sip = 10.0.0.2", Seen: true},
	}
}

// A second look at yesterday's dashboard makes no host read anything; late data are seen by the next look after the time
// within which answers are not checked.
func TestCachedDashboardCostsHostsNothing(t *testing.T) {
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Unix()
	var hosts []fleet.Host
	var clients []*direct
	var rigs []*rig
	clock := time.Now()
	cache, err := fleet.NewCache(fleet.CacheConfig{Bytes: 8 << 20, Fresh: time.Minute}, fleet.CacheDeps{Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r := newRig(t, newMachine("eth0"), "", func(c *Config) { c.Host.Name = fmt.Sprintf("host%d", i) })
		defer r.close()
		for block := range 4 {
			r.put("eth0", midnight-int64(block)*3600, 3+i)
		}
		r.put("eth0", midnight+300, 1) // today
		d := &direct{agent: r.Agent}
		rigs, clients = append(rigs, r), append(clients, d)
		hosts = append(hosts, fleet.Host{Name: r.host, Client: cache.Client(d)})
	}
	f, err := fleet.New(hosts, fleet.DefaultConfig(), fleet.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	look := func(what string, wantAsked, wantScanned int64) (answers []*wire.Result) {
		t.Helper()
		for _, d := range clients {
			d.asked.Store(0)
			d.scanned.Store(0)
		}
		for _, r := range dashboard(midnight) {
			q, err := r.Prepare(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			result, err := f.Query(t.Context(), q, nil)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, result)
		}
		var asked, scanned int64
		for _, d := range clients {
			asked, scanned = asked+d.asked.Load(), scanned+d.scanned.Load()
		}
		if asked != wantAsked || scanned != wantScanned {
			t.Errorf("%s: %d questions, %d of them answered by reading; want %d, %d", what, asked, scanned, wantAsked, wantScanned)
		}
		return answers
	}
	same := func(what string, a, b []*wire.Result, cached bool) {
		t.Helper()
		ignore := cmp.Options{cmpopts.IgnoreFields(wire.Summary{}, "Timings", "Stats"), cmpopts.IgnoreFields(wire.Status{}, "DurationNanoseconds", "BytesScanned", "Cached"),
			cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateComparable(wire.HostLabels(""))}
		for i := range a {
			if diff := cmp.Diff(a[i], b[i], ignore); diff != "" {
				t.Errorf("%s: question %d has another answer (-first +now):\n%s", what, i, diff)
			}
			for name, s := range b[i].HostsStatuses {
				if s.Cached != cached {
					t.Errorf("%s: %s says cached: %v", what, name, s.Cached)
				}
			}
			if cached && b[i].Summary.Stats != (wire.Stats{}) {
				t.Errorf("%s: it cost %+v", what, b[i].Summary.Stats)
			}
		}
	}
	questions := int64(len(dashboard(0)))
	first := look("the first look", 3*questions, 3*questions)
	if first[0].Summary.Totals.PacketsReceived != 4*(3+4+5) {
		t.Fatalf("the first look has %d packets", first[0].Summary.Totals.PacketsReceived)
	}
	same("the second look", first, look("the second look", 0, 0), true)
	clock = clock.Add(2 * time.Minute)
	same("after two minutes", first, look("after two minutes", 3*questions, 0), true)
	rigs[1].put("eth0", midnight-1800, 2) // late
	clock = clock.Add(2 * time.Minute)
	late := look("after late data", 3*questions, questions)
	if got := late[0].Summary.Totals.PacketsReceived; got != 4*(3+4+5)+2 {
		t.Errorf("after late data there are %d packets", got)
	}
	same("after that", late, look("after that", 0, 0), true)
}

// What an answer depends on is in its version; what cannot be known has none.
func TestDataVersions(t *testing.T) {
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Unix()
	r := newRig(t, newMachine("eth0"), "", nil)
	defer r.close()
	r.put("eth0", midnight, 1)
	version := func(request wire.Request) string {
		t.Helper()
		request.Query, request.Ifaces = "sip", "any"
		q, err := request.PrepareWith(t.Context(), time.Now(), wire.Names{List: wire.ListElsewhere})
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.Query(t.Context(), q, nil)
		if err != nil {
			t.Fatal(err)
		}
		return result.Summary.DataVersion
	}
	day := wire.Request{First: strconv.FormatInt(midnight-86400+1, 10), Last: strconv.FormatInt(midnight, 10)}
	before := version(day)
	if len(before) != 32 || strings.Trim(before, "0123456789abcdef") != "" || version(day) != before {
		t.Fatalf("the version is %q", before)
	}
	r.put("eth0", midnight+300, 1)
	if got := version(day); got != before {
		t.Error("today's data change yesterday's version")
	}
	compared := day
	compared.Compare = "1d"
	if version(compared) == before {
		t.Error("the earlier span is not part of the version")
	}
	withCompare := version(compared)
	r.put("eth0", midnight-86400-3600, 1)
	if version(compared) == withCompare || version(day) != before {
		t.Error("data of the day before change the wrong version")
	}
	r.put("eth1", midnight-7200, 1)
	if version(day) == before {
		t.Error("a new interface does not change the version")
	}
	for what, change := range map[string]func(*wire.Request){
		"live": func(r *wire.Request) { r.Live = true }, "explain": func(r *wire.Request) { r.Explain = true },
		"a list": func(r *wire.Request) { r.Condition = "host in @bad" }, "actors": func(r *wire.Request) { r.Actors = &wire.Actors{List: "bad"} },
	} {
		changed := day
		change(&changed)
		if got := version(changed); got != "" {
			t.Errorf("%s: there is a version %s", what, got)
		}
	}
}
