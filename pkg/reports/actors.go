package reports

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/wire"
)

// Defaults and bounds of actor reports.
const (
	defaultActors  = 100
	maxActors      = 10_000
	defaultDetails = 5
	maxDetails     = 100
	companyLabel   = "company"
)

// Actors asks what the addresses of a list did: whom they touched, where, when, how much, with which outcome. Without
// hits it says what that proves.
func Actors(ctx context.Context, q Querier, question ActorsQuestion) (*ActorsAnswer, error) {
	if err := question.complete(); err != nil {
		return nil, err
	}
	a, err := newAsker(ctx, q, question.Scope)
	if err != nil {
		return nil, err
	}
	answer := &ActorsAnswer{List: question.ListName, Actors: []Hit{}}
	s := &search{asker: a, question: &question, name: question.ListName, hits: map[netip.Prefix]*hitSum{}}
	if question.List != nil {
		if err := s.send(ctx, answer); err != nil {
			return nil, err
		}
	}
	for _, r := range roles {
		if answer.Truncated, err = s.look(ctx, r, answer.Truncated); err != nil {
			return nil, err
		}
	}
	if s.lost != "" {
		answer.Truncated.Text += "; " + s.lost
	}
	s.answer(answer)
	answer.Coverage, answer.Result = a.coverage(), a.result
	answer.Text = answer.text()
	return answer, nil
}

// complete checks the question and fills in defaults.
func (q *ActorsQuestion) complete() error {
	if (q.List == nil) == (q.ListName == "") {
		return fault("list", q.ListName, "expected a list, or the name of one that the server knows")
	}
	q.ListName = strings.TrimPrefix(q.ListName, "@")
	if q.CompanyLabel == "" {
		q.CompanyLabel = companyLabel
	}
	for _, n := range []struct {
		name          string
		value         *int
		usual, atMost int
	}{{"actors", &q.Actors, defaultActors, maxActors}, {"ports", &q.Ports, defaultDetails, maxDetails}, {"systems", &q.Systems, defaultDetails, maxDetails}} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 1 || *n.value > n.atMost {
			return fault(n.name, *n.value, "the number of %s must be between 1 and %d", n.name, n.atMost)
		}
	}
	return nil
}

// role is one of the two sides of a flow that an actor can be on.
type role struct {
	attribute string // of the actor
	actor     func(*wire.Attributes) netip.Addr
	system    func(*wire.Attributes) netip.Addr
	of        func(*hitSum) *roleSum
}

func sourceOf(a *wire.Attributes) netip.Addr      { return a.Source }
func destinationOf(a *wire.Attributes) netip.Addr { return a.Destination }

var roles = []role{
	{"sip", sourceOf, destinationOf, func(h *hitSum) *roleSum { return &h.initiator }},
	{"dip", destinationOf, sourceOf, func(h *hitSum) *roleSum { return &h.responder }},
}

// flowAttributes make a row of each flow at each point.
const flowAttributes = "host,iface,sip,dip,dport,proto"

// search is a report in the making.
type search struct {
	*asker
	question *ActorsQuestion
	list     *actors.List // as it is asked for; nil: only its name is known
	name     string       // by which the servers know it
	hits     map[netip.Prefix]*hitSum
	lost     string // says that a limit may have cut off actors
}

// send gives the list, without what is not valid in the span, to all who answer.
func (s *search) send(ctx context.Context, answer *ActorsAnswer) error {
	list, expired := s.question.List.During(time.Unix(s.span[0], 0), time.Unix(s.span[1], 0))
	if list.Len() == 0 {
		return fault("list", expired, "the list holds no address that is valid in this span: there is nothing to ask, and no answer would prove anything")
	}
	answer.Entries, answer.Expired, answer.List = list.Len(), expired, list.Hash()
	health := s.question.List.Check(actors.CheckConfig{Now: s.scope.Now})
	answer.Health = &health
	s.list, s.name = list, list.Hash()
	if u, ok := s.querier.(Uploader); ok {
		if err := u.Upload(ctx, list); err != nil {
			return fmt.Errorf("send the list: %w", err)
		}
	}
	known := s.scope.Names.List
	s.scope.Names.List = func(name string) (filter.Set, error) {
		if name == list.Hash() {
			return list, nil
		}
		return known(name)
	}
	return nil
}

const actorsCut = "ports, systems and sums of actors are of these; hosts and times are of all"

// look asks for the flows that have an actor on one side. Where they are more than the limit, those who took part in
// the others are asked for, too: what is cut off are flows, not actors.
func (s *search) look(ctx context.Context, r role, before *Truncation) (*Truncation, error) {
	about, err := filter.Parse(r.attribute + " in @" + s.name)
	if err != nil {
		return nil, fault("list", s.name, "%v", err)
	}
	company := labelColumns([]string{s.question.CompanyLabel})
	flows, err := s.ask(ctx, flowAttributes+company, about)
	if err != nil {
		return nil, err
	}
	cut := truncation(flows, actorsCut)
	for i := range flows.Rows {
		if h := s.hit(r.actor(&flows.Rows[i].Attributes)); h != nil {
			h.addFlow(&r, &flows.Rows[i])
		}
	}
	if cut == nil {
		return before, nil
	}
	points, err := s.ask(ctx, "host,iface,"+r.attribute+company, about)
	if err != nil {
		return nil, err
	}
	for i := range points.Rows {
		if h := s.hit(r.actor(&points.Rows[i].Attributes)); h != nil {
			h.atLeast = true
			h.addPoint(&r, &points.Rows[i])
		}
	}
	cut = joinTruncations(before, cut, actorsCut)
	if more := truncation(points, "actors with fewer bytes may be missing"); more != nil {
		s.lost = more.Text
	}
	return cut, nil
}

// hit is the entry that an address belongs to; nil for an address of none, which a server with another list might send.
func (s *search) hit(a netip.Addr) *hitSum {
	if !a.IsValid() {
		return nil
	}
	entry := netip.PrefixFrom(a, a.BitLen())
	if s.list != nil {
		listed, found := s.list.Find(a)
		if !found {
			return nil
		}
		entry = listed
	}
	h := s.hits[entry]
	if h == nil {
		h = newHitSum(entry)
		s.hits[entry] = h
	}
	return h
}

// answer puts the hits in order, those that were seen last first, and says of each what the list says.
func (s *search) answer(answer *ActorsAnswer) {
	answer.Hits = len(s.hits)
	hosts := map[string]bool{}
	for _, h := range s.hits {
		h.finish(s.question)
		if h.Total.Accepted > 0 {
			answer.Accepted++
		}
		for _, host := range h.Hosts {
			hosts[host] = true
		}
		if s.list != nil {
			h.say(s.list.Entries(h.Prefix))
		}
		answer.Actors = append(answer.Actors, h.Hit)
	}
	answer.Hosts = len(hosts)
	slices.SortFunc(answer.Actors, func(a, b Hit) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(b.Total.Bytes, a.Total.Bytes), a.Prefix.Compare(b.Prefix))
	})
	if shown := s.question.Actors; len(answer.Actors) > shown {
		answer.Actors = slices.Clip(answer.Actors[:shown])
		if answer.Truncated == nil {
			answer.Truncated = &Truncation{Shown: int64(shown), Total: int64(answer.Hits), What: "actors",
				Text: fmt.Sprintf("%d of %d actors are shown, those that were seen last", shown, answer.Hits)}
		}
	}
}

// text is the answer in a sentence: "0 hits; 31 of 34 hosts answered, data covers 1 Aug 00:00 .. now on 29".
func (a *ActorsAnswer) text() string {
	text := plural(a.Hits, "hit")
	if a.Entries > 0 {
		text += " of " + entries(a.Entries)
	}
	if a.Hits > 0 {
		text += fmt.Sprintf(" on %s, %d with an accepted connection", plural(a.Hosts, "host"), a.Accepted)
	}
	text += "; " + a.Coverage.Text
	if a.Expired > 0 {
		text += fmt.Sprintf("; %s not asked for, being valid at another time", entries(a.Expired))
	}
	return text
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
