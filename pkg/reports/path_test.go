package reports

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// expectedPath is the truth about a service, one flow and one place after the other.
type expectedPath struct {
	forth, back         Amount // of what somebody saw
	attempts            uint64
	accepts, rejects    uint64 // of what somebody saw with both directions
	responder           uint64 // packets of the responder that somebody saw
	first, last         int64
	seen                bool
	seesForth, seesBack map[Point]bool
}

func (w *world) expectedPaths() map[string]*expectedPath {
	type flowOf struct{ key, service string }
	flows := map[flowOf]*expectedPath{}
	services := map[string]*expectedPath{}
	fresh := func() *expectedPath {
		return &expectedPath{seesForth: map[Point]bool{}, seesBack: map[Point]bool{}}
	}
	// A flow's counters are those of the place that saw most, over the whole span.
	perPlace := map[string]flow.Counters{}
	for i := range w.truths {
		t := &w.truths[i]
		initiator := map[bool]string{true: "a", false: "b"}[t.first]
		service := fmt.Sprintf("%s %s", serviceText(t.protocol, t.port), initiator)
		of := flowOf{fmt.Sprint(t.source, t.destination, t.port, t.protocol), service}
		for k := range w.places {
			p := &w.places[k]
			c := p.counters(t)
			if c == (flow.Counters{}) {
				continue
			}
			f := flows[of]
			if f == nil {
				f = fresh()
				flows[of] = f
			}
			s := services[service]
			if s == nil {
				s = fresh()
				services[service] = s
			}
			for _, e := range []*expectedPath{f, s} {
				if !e.seen || t.stamp < e.first {
					e.first = t.stamp
				}
				e.last, e.seen = max(e.last, t.stamp), true
			}
			id := fmt.Sprint(of, p.Point)
			sum := perPlace[id]
			sum.Add(c)
			perPlace[id] = sum
			received, sent := Amount{sum.BytesReceived, sum.PacketsReceived}, Amount{sum.BytesSent, sum.PacketsSent}
			forth, back := received, sent
			if !p.facing {
				forth, back = sent, received
			}
			f.forth, f.back = greater(f.forth, forth), greater(f.back, back)
			f.attempts, f.accepts, f.rejects = max(f.attempts, sum.Attempts), max(f.accepts, sum.Accepts), max(f.rejects, sum.Rejects)
			f.responder = f.back.Packets
			if !t.first {
				f.responder = f.forth.Packets
			}
			if forth.Packets > 0 {
				s.seesForth[p.Point] = true
			}
			if back.Packets > 0 {
				s.seesBack[p.Point] = true
			}
		}
	}
	for of, f := range flows {
		s := services[of.service]
		s.forth, s.back = s.forth.plus(f.forth), s.back.plus(f.back)
		s.attempts += f.attempts
		if f.accepts+f.rejects == 0 && f.responder > f.attempts {
			f.accepts = f.attempts
		}
		s.accepts += f.accepts
		s.rejects += f.rejects
	}
	return services
}

// What a path says is what was there: sums where it claims to tell directions apart, outcomes, times, who saw what.
func TestPathTellsTheTruth(t *testing.T) {
	r := testenv.Random(t)
	split, views := 0, 0
	for range 400 {
		w := randomWorld(t, r)
		answer, err := Path(t.Context(), w, PathQuestion{A: "10.1.0.0/24", B: "10.2.0.0/24", Scope: Scope{First: fmt.Sprint(noon - 40*300), Now: now()}})
		if err != nil {
			t.Fatal(err)
		}
		want := w.expectedPaths()
		if len(answer.Services) != len(want) || (answer.Verdict == NotSeen) != (len(want) == 0) {
			t.Fatalf("%d services, want %d, %s", len(answer.Services), len(want), answer.Verdict)
		}
		for i := range answer.Services {
			s := &answer.Services[i]
			e := want[s.Text+" "+s.Initiator]
			if e == nil || s.FirstSeen != moment(e.first) || s.LastSeen != moment(e.last) || s.Attempts != e.attempts {
				t.Fatalf("%+v, want %+v", s, e)
			}
			if s.Split {
				split++
				if s.AToB != e.forth || s.BToA != e.back || s.Accepted != e.accepts || s.Rejected != e.rejects {
					t.Fatalf("%+v, want %+v", s, e)
				}
			}
		}
		for i := range answer.Views {
			v := &answer.Views[i]
			e := want[v.Text+" "+v.Initiator]
			wantSides := map[[2]bool]Sides{{true, true}: SidesBoth, {true, false}: SidesAToB, {false, true}: SidesBToA}[[2]bool{e.seesForth[v.Point], e.seesBack[v.Point]}]
			if v.Sides != wantSides && v.Sides != SidesUnknown {
				t.Fatalf("%+v sees %s", v, wantSides)
			}
			views++
		}
	}
	if split < 300 || views < 1000 {
		t.Errorf("only %d services could be split, in %d views: the test shows little", split, views)
	}
}

// scene is a world of given places and flows.
func scene(t testing.TB, places []place, truths ...truth) *world {
	w := randomWorld(t, rand.New(rand.NewPCG(1, 1)))
	w.places, w.truths, w.hosts = places, truths, nil
	known := map[string]bool{}
	for _, p := range places {
		if !known[p.Host] {
			known[p.Host] = true
			w.hosts = append(w.hosts, p.Host)
		}
	}
	return w
}

// blocked is an attempt of the first side that nobody answers.
func blocked(port uint16) truth {
	return truth{source: address("10.1.0.1"), destination: address("10.2.0.1"), first: true, port: port, protocol: flow.TCP, stamp: noon,
		asked: Amount{222, 3}, attempts: 1}
}

// accepted is a conversation of the first side.
func accepted(port uint16) truth {
	t := blocked(port)
	t.asked, t.answered = Amount{5000, 30}, Amount{90000, 60}
	return t
}

func TestPathSentences(t *testing.T) {
	r1 := place{Point: Point{"r1", "eth0"}, facing: true, forth: true, back: true}
	r2 := place{Point: Point{"r2", "eth0"}, forth: true, back: true}
	forth, back := r1, r2
	forth.back, back.forth = false, false
	refused := blocked(22)
	refused.rejects, refused.answered = 1, Amount{60, 1}
	for _, test := range []struct {
		name     string
		places   []place
		truths   []truth
		verdict  string
		text     string
		oneSided string
	}{
		{"nothing", []place{r1}, nil, "not seen", "nothing was seen between 10.1.0.1 and 10.2.0.0/24; 1 of 1 host answered, data covers 21 Nov 11:01 .. now on 1", ""},
		{"accepted", []place{r1, r2}, []truth{accepted(443)}, "accepted", "accepted: yes, tcp/443 by 10.1.0.1 (1 attempt: 1 accepted)", ""},
		{"blocked", []place{r1}, []truth{blocked(23)}, "unanswered", "accepted: no; unanswered, which is usually a filter: tcp/23 by 10.1.0.1 at r1 eth0 (1 attempt: 1 unanswered)", ""},
		{"refused", []place{r1, r2}, []truth{refused, accepted(443)}, "accepted",
			"accepted: yes, tcp/443 by 10.1.0.1 (1 attempt: 1 accepted); rejected: tcp/22 by 10.1.0.1 at r1 eth0, r2 eth0 (1 attempt: 1 rejected)", ""},
		{"asymmetric", []place{forth, back}, []truth{accepted(443)}, "accepted", "accepted: yes, tcp/443 by 10.1.0.1 (1 attempt: 1 accepted); 2 one-sided views",
			"tcp/443: r1 eth0 saw a to b only; the other direction was seen at r2 eth0"},
	} {
		answer, err := Path(t.Context(), scene(t, test.places, test.truths...), PathQuestion{A: "10.1.0.1", B: "10.2.0.0/24", Scope: Scope{First: "-1h", Now: now()}})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Verdict != test.verdict || answer.Text != test.text {
			t.Errorf("%s: %s: %s", test.name, answer.Verdict, answer.Text)
		}
		if sides := strings.Join(answer.OneSided, "\n"); !strings.HasPrefix(sides, test.oneSided) || (sides == "") != (test.oneSided == "") {
			t.Errorf("%s: %s", test.name, sides)
		}
	}
}

// What nothing tells apart is not told apart, until an unanswered attempt says on which side of the interface A is.
func TestPathOrientation(t *testing.T) {
	r1 := place{Point: Point{"r1", "eth0"}, forth: true, back: true}
	question := PathQuestion{A: "10.1.0.1", B: "10.2.0.1", Scope: Scope{Now: now()}}
	answer, err := Path(t.Context(), scene(t, []place{r1}, accepted(443)), question)
	if err != nil || answer.Services[0].Split || answer.Views[0].Sent != (Amount{5000, 30}) || answer.Services[0].Total != (Amount{95000, 90}) {
		t.Errorf("%v: %+v", err, answer)
	}
	elsewhere := blocked(80)
	elsewhere.destination = address("198.51.100.1")
	w := scene(t, []place{r1}, accepted(443), elsewhere)
	answer, err = Path(t.Context(), w, question)
	if err != nil || !answer.Services[0].Split || answer.Services[0].AToB != (Amount{5000, 30}) || len(w.queries) != 4 {
		t.Errorf("%v: %+v after %d queries", err, answer.Services, len(w.queries))
	}
}

func TestPathFaults(t *testing.T) {
	for _, test := range []struct {
		question PathQuestion
		part     string
	}{
		{PathQuestion{A: "", B: "10.0.0.1"}, "body.a: an empty address"},
		{PathQuestion{A: "10.0.0.1", B: "10.0.0.2) | (dport = 1"}, "body.b: \"10.0.0.2) | (dport = 1\" is no address"},
		{PathQuestion{A: "10.0.0.1,", B: "10.0.0.1"}, "body.a: an empty address"},
		{PathQuestion{A: "10.0.0.1/99", B: "10.0.0.1"}, "body.a"},
		{PathQuestion{A: strings.Repeat("1.1.1.1,", 1000) + "1.1.1.1", B: "10.0.0.1"}, "more than 1000"},
		{PathQuestion{A: "10.0.0.1", B: "10.0.0.1", Scope: Scope{Condition: "dprot = 1"}}, "body.condition"},
		{PathQuestion{A: "10.0.0.1", B: "10.0.0.1", Scope: Scope{Condition: "bytes > 1"}}, "terms on sums"},
		{PathQuestion{A: "10.0.0.1", B: "10.0.0.1", Scope: Scope{First: "tomorrow"}}, "body.first"},
		{PathQuestion{A: "10.0.0.1", B: "10.0.0.1", Scope: Scope{Limit: -1}}, "body.limit"},
	} {
		test.question.Now = now()
		_, err := Path(t.Context(), scene(t, nil), test.question)
		if err == nil || !strings.Contains(err.Error(), test.part) {
			t.Errorf("%+v: %v", test.question, err)
		}
	}
}

// A limit is said to have cut off what it cut off.
func TestPathTruncation(t *testing.T) {
	r1 := place{Point: Point{"r1", "eth0"}, facing: true, forth: true, back: true}
	w := scene(t, []place{r1}, accepted(443), accepted(444), accepted(445))
	w.company = map[string]string{"r1": "acme"}
	answer, err := Path(t.Context(), w, PathQuestion{A: "10.1.0.1", B: "10.2.0.1", Scope: Scope{Now: now(), Limit: 2, Labels: []string{"company"}}})
	if err != nil || answer.Truncated == nil || answer.Truncated.Total != 3 || answer.Truncated.Shown != 2 || len(answer.Services) != 2 || answer.Views[0].Labels["company"] != "acme" {
		t.Errorf("%v: %+v", err, answer)
	}
}

func TestCoverage(t *testing.T) {
	w := scene(t, []place{{Point: Point{"r1", "eth0"}, facing: true, forth: true, back: true}})
	w.hosts = []string{"r1", "r2", "r3", "r4", "r5"}
	w.down["r2"], w.empty["r3"] = true, true
	w.from["r4"] = noon - 7200
	answer, err := Path(t.Context(), w, PathQuestion{A: "10.1.0.1", B: "10.2.0.1", Scope: Scope{First: "-1d", Now: now()}})
	if err != nil {
		t.Fatal(err)
	}
	c := answer.Coverage
	if c.Text != "4 of 5 hosts answered, data covers 20 Nov 12:01 .. now on 2, and less of it on 1" || c.Hosts != 5 || c.Answered != 4 || c.WithData != 3 || c.Full != 2 {
		t.Errorf("%+v", c)
	}
	if len(c.Missing) != 2 || c.Missing[0] != (MissingHost{"r2", wire.StateTimeout, "no answer within 5s"}) || c.Missing[1].Host != "r3" {
		t.Errorf("%+v", c.Missing)
	}
}
