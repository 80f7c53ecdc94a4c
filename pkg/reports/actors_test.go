package reports

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/flow"
)

func list(t testing.TB, text string) *actors.List {
	t.Helper()
	l, err := actors.Parse([]byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// expectedHit is the truth about an entry of a list.
type expectedHit struct {
	First, Last        int64
	Hosts              []string
	Initiator, Respond expectedRole
	Systems            map[netip.Addr]bool
	Services           map[string]bool
}

type expectedRole struct {
	Bytes, Packets, Attempts, Accepts, Rejects uint64
	Flows                                      int
}

// expectedHits adds up, flow by flow, what the place saw that saw most of it.
func (w *world) expectedHits(l *actors.List) map[netip.Prefix]*expectedHit {
	type id struct {
		entry      netip.Prefix
		initiator  bool
		flow       string
		system     netip.Addr
		serviceKey string
	}
	sums := map[id]map[Point]flow.Counters{}
	hits := map[netip.Prefix]*expectedHit{}
	for i := range w.truths {
		t := &w.truths[i]
		for _, initiator := range []bool{true, false} {
			actor, system := t.source, t.destination
			if !initiator {
				actor, system = system, actor
			}
			entry, found := l.Find(actor)
			if !found {
				continue
			}
			for k := range w.places {
				p := &w.places[k]
				c := p.counters(t)
				if c == (flow.Counters{}) {
					continue
				}
				h := hits[entry]
				if h == nil {
					h = &expectedHit{First: t.stamp, Systems: map[netip.Addr]bool{}, Services: map[string]bool{}}
					hits[entry] = h
				}
				h.First, h.Last = min(h.First, t.stamp), max(h.Last, t.stamp)
				if !slices.Contains(h.Hosts, p.Host) {
					h.Hosts = append(h.Hosts, p.Host)
				}
				of := id{entry, initiator, fmt.Sprint(t.source, t.destination, t.port, t.protocol), system, serviceText(t.protocol, t.port)}
				if sums[of] == nil {
					sums[of] = map[Point]flow.Counters{}
				}
				sum := sums[of][p.Point]
				sum.Add(c)
				sums[of][p.Point] = sum
			}
		}
	}
	for of, places := range sums {
		h := hits[of.entry]
		h.Systems[of.system], h.Services[of.serviceKey] = true, true
		role := &h.Respond
		if of.initiator {
			role = &h.Initiator
		}
		var most flow.Counters
		var bytes, packets uint64
		for _, c := range places {
			bytes, packets = max(bytes, c.Bytes()), max(packets, c.Packets())
			most.Attempts, most.Accepts, most.Rejects = max(most.Attempts, c.Attempts), max(most.Accepts, c.Accepts), max(most.Rejects, c.Rejects)
		}
		role.Flows++
		role.Bytes += bytes
		role.Packets += packets
		role.Attempts += most.Attempts
		role.Accepts += most.Accepts
		role.Rejects += most.Rejects
	}
	for _, h := range hits {
		slices.Sort(h.Hosts)
	}
	return hits
}

func roleOf(r *Role) expectedRole {
	return expectedRole{r.Bytes, r.Packets, r.Attempts, r.Accepted, r.Rejected, r.Flows}
}

// Hits are what was there. A limit cuts sums off, and neither hits nor hosts nor times.
func TestActorsTellTheTruth(t *testing.T) {
	r := testenv.Random(t)
	l := list(t, "10.1.0.1\n10.1.0.2/31\n10.2.0.0/30\n10.2.0.1\n192.0.2.0/24\n")
	hits, cut := 0, 0
	for range 300 {
		w := randomWorld(t, r)
		question := ActorsQuestion{List: l, Ports: 100, Systems: 100, Scope: Scope{First: fmt.Sprint(noon - 40*300), Now: now()}}
		if r.IntN(3) == 0 {
			question.Limit = 1 + r.Int64N(30)
		}
		answer, err := Actors(t.Context(), w, question)
		if err != nil {
			t.Fatal(err)
		}
		want := w.expectedHits(l)
		if strings.Contains(fmt.Sprint(answer.Truncated), "actors with fewer bytes may be missing") {
			continue // even the short question was cut off
		}
		if answer.Hits != len(want) || len(answer.Actors) != len(want) || answer.Entries != 5 {
			t.Fatalf("%d hits, %d shown, want %d", answer.Hits, len(answer.Actors), len(want))
		}
		for i := range answer.Actors {
			h := &answer.Actors[i]
			e := want[h.Prefix]
			hits++
			if e == nil || h.FirstSeen != moment(e.First) || h.LastSeen != moment(e.Last) || !slices.Equal(h.Hosts, e.Hosts) {
				t.Fatalf("limit %d: %+v, want %+v", question.Limit, h, e)
			}
			if answer.Truncated != nil {
				cut++
				if !h.AtLeast && answer.Truncated != nil && len(w.queries) == 4 {
					t.Fatalf("%+v is said to be all", h)
				}
				continue
			}
			if roleOf(&h.AsInitiator) != e.Initiator || roleOf(&h.AsResponder) != e.Respond || h.AtLeast {
				t.Fatalf("%+v, want %+v", h, e)
			}
			if h.SystemCount != len(e.Systems) || h.PortCount != len(e.Services) || len(h.Ports) != h.PortCount || len(h.Systems) != h.SystemCount {
				t.Fatalf("%+v, want %+v", h, e)
			}
		}
	}
	if hits < 300 || cut < 20 {
		t.Errorf("%d hits, %d of them cut: the test shows little", hits, cut)
	}
}

// uploading counts what is sent.
type uploading struct {
	*world
	sent []string
}

func (u *uploading) Upload(_ context.Context, l *actors.List) error {
	u.sent = append(u.sent, l.Hash())
	return nil
}

func TestActors(t *testing.T) {
	r1 := place{Point: Point{"r1", "eth0"}, facing: true, forth: true, back: true}
	half := place{Point: Point{"r2", "eth0"}, facing: true, forth: true}
	u := &uploading{world: scene(t, []place{r1, half}, accepted(443), blocked(8443), accepted(22))}
	u.company = map[string]string{"r1": "acme", "r2": "zeta"}
	l := list(t, "prefix,port,proto,label,source,confidence,valid_until\n10.2.0.1,443,tcp,Casper,CERT,85,\n10.2.0.1,,,again,CERT,60,\n10.2.0.2,,,old,CERT,,2025-01-01\n198.51.100.0/24,,,quiet,CERT,,\n")
	answer, err := Actors(t.Context(), u, ActorsQuestion{List: l, Ports: 2, Scope: Scope{First: "-1d", Now: now()}})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Text != "1 hit of 2 entries on 2 hosts, 1 with an accepted connection; 2 of 2 hosts answered, data covers 20 Nov 12:01 .. now on 2; 1 entry not asked for, being valid at another time" {
		t.Error(answer.Text)
	}
	if len(u.sent) != 1 || len(u.queries) != 2 || !strings.Contains(u.queries[0].Request.Condition, "@"+u.sent[0]) || len(u.sent[0]) != 64 {
		t.Errorf("sent %q, asked %d times", u.sent, len(u.queries))
	}
	want := Hit{
		Prefix: netip.MustParsePrefix("10.2.0.1/32"), Label: "Casper, again", Source: "CERT", Confidence: 85, ListedPorts: []string{"tcp/443"}, OnListedPort: 1,
		Addresses: []netip.Addr{address("10.2.0.1")}, AddressCount: 1, FirstSeen: moment(noon), LastSeen: moment(noon),
		AsInitiator: Role{Outcome: Outcome{Verdict: "n/a"}},
		AsResponder: Role{Amount: Amount{190222, 183}, Flows: 3, Outcome: Outcome{Attempts: 3, Accepted: 2, Unanswered: 1, Verdict: "accepted"}},
		Points:      []Point{{"r1", "eth0"}, {"r2", "eth0"}}, Hosts: []string{"r1", "r2"}, Companies: []string{"acme", "zeta"}, OneSided: []Point{{"r2", "eth0"}},
		Ports: []PortCount{{"tcp/22", 1, 95000, 90}, {"tcp/443", 1, 95000, 90}}, PortCount: 3, Systems: []netip.Addr{address("10.1.0.1")}, SystemCount: 1,
	}
	want.Total = want.AsResponder
	if diff := cmp.Diff([]Hit{want}, answer.Actors, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// Nothing found is proof as far as hosts answered and have data, and no further.
func TestActorsNegativeProof(t *testing.T) {
	w := scene(t, []place{{Point: Point{"r1", "eth0"}, facing: true, forth: true, back: true}}, accepted(443))
	for i := range 33 {
		host := fmt.Sprintf("h%02d", i)
		w.hosts = append(w.hosts, host)
		w.down[host] = i < 3
		w.empty[host] = i == 3 || i == 4
	}
	question := ActorsQuestion{List: list(t, "192.0.2.0/24\n"), Scope: Scope{First: "2026-08-01", Now: now()}}
	answer, err := Actors(t.Context(), w, question)
	if err != nil || answer.Text != "0 hits of 1 entry; 31 of 34 hosts answered, data covers 1 Aug 00:00 .. now on 29" || len(answer.Coverage.Missing) != 5 {
		t.Errorf("%v: %s", err, answer.Text)
	}
	question.ListName, question.List = "@scanners", nil
	answer, err = Actors(t.Context(), w, question)
	if err != nil || answer.List != "scanners" || !strings.Contains(w.queries[len(w.queries)-1].Request.Condition, "dip in @scanners") {
		t.Errorf("%v: %+v", err, answer)
	}
}

func TestActorsFaults(t *testing.T) {
	w := scene(t, nil)
	for part, question := range map[string]ActorsQuestion{
		"expected a list":                {},
		"body.actors":                    {ListName: "x", Actors: -1},
		"no address that is valid":       {List: list(t, "ip,valid_until\n192.0.2.1,2025-01-01\n"), Scope: Scope{First: "-1d"}},
		"body.condition":                 {ListName: "x", Scope: Scope{Condition: "dport ="}},
		"body.list":                      {ListName: "a b"},
		"terms on sums and on dir are a": {ListName: "x", Scope: Scope{Condition: "dir = in"}},
	} {
		question.Now = now()
		if _, err := Actors(t.Context(), w, question); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// Those that were seen last come first, and those that are not shown are counted.
func TestActorsOrder(t *testing.T) {
	var truths []truth
	for i := range 5 {
		f := accepted(443)
		f.destination = netip.AddrFrom4([4]byte{10, 2, 0, byte(i)})
		f.stamp -= 300 * int64(i)
		truths = append(truths, f)
	}
	w := scene(t, []place{{Point: Point{"r1", "eth0"}, facing: true, forth: true, back: true}}, truths...)
	answer, err := Actors(t.Context(), w, ActorsQuestion{List: list(t, "10.2.0.0\n10.2.0.1\n10.2.0.2\n10.2.0.3\n10.2.0.4\n"), Actors: 2, Scope: Scope{First: "-1d", Now: now().Add(time.Hour)}})
	if err != nil || answer.Hits != 5 || len(answer.Actors) != 2 || answer.Actors[0].Prefix.String() != "10.2.0.0/32" || answer.Truncated == nil {
		t.Errorf("%v: %+v", err, answer)
	}
}
