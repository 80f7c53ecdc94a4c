package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
)

type oneAddress netip.Addr

func (s oneAddress) Contains(a netip.Addr) bool { return a == netip.Addr(s) }

func between(source, destination string) *filter.Row {
	a, family := flow.AddressFrom(netip.MustParseAddr(source))
	b, _ := flow.AddressFrom(netip.MustParseAddr(destination))
	return &filter.Row{Key: flow.Key{Source: a, Destination: b, Family: family, Protocol: flow.TCP, DestinationPort: 80}}
}

func TestPrepareActors(t *testing.T) {
	lists := Names{List: func(name string) (filter.Set, error) {
		if name != "scanners" {
			return nil, errors.New("there is no such list")
		}
		return oneAddress(netip.MustParseAddr("192.0.2.9")), nil
	}}
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("10.9.%d.%d", i/256, i%256)
	}
	for _, test := range []struct {
		condition   string
		actors      Actors
		yes, no, as string
	}{
		{"", Actors{Set: []string{"192.0.2.1", "198.51.100.0/24 ", "2001:db8::1-2001:db8::f"}}, "198.51.100.7", "192.0.2.2",
			"(sip in (192.0.2.1, 198.51.100.0/24, 2001:db8::1-2001:db8::f) | dip in (192.0.2.1, 198.51.100.0/24, 2001:db8::1-2001:db8::f))"},
		{"dport = 80 | dport = 22", Actors{List: "scanners"}, "192.0.2.9", "192.0.2.2",
			"((dport = 80 | dport = 22) & (sip in @scanners | dip in @scanners))"},
		{"dport = 80 & proto = tcp", Actors{Set: many}, "10.9.3.4", "10.10.0.0",
			"(dport = 80 & proto = tcp & (sip in @actors | dip in @actors))"},
		{"host in @scanners", Actors{Set: []string{"0.0.0.0/0"}}, "192.0.2.9", "192.0.2.2",
			"((sip in @scanners | dip in @scanners) & (snet = 0.0.0.0/0 | dnet = 0.0.0.0/0))"},
	} {
		r := Request{Query: "sip", Ifaces: "any", Condition: test.condition, Actors: &test.actors}
		q, err := r.PrepareWith(context.Background(), now, lists)
		if err != nil {
			t.Errorf("%+v: %v", r, err)
			continue
		}
		if got := q.Condition.String(); got != test.as {
			t.Errorf("%q with %v is %s, want %s", test.condition, test.actors.List, got, test.as)
		}
		if _, err := filter.Parse(test.as); err != nil {
			t.Errorf("%s does not parse: %v", test.as, err)
		}
		if q.Request.Condition != test.condition || q.Request.Actors == nil {
			t.Errorf("the request to send on is %+v", q.Request)
		}
		for _, row := range []*filter.Row{between(test.yes, "203.0.113.1"), between("203.0.113.1", test.yes)} {
			if !q.Matcher.Row(row) {
				t.Errorf("%s does not match %+v", test.as, row)
			}
		}
		if q.Matcher.Row(between(test.no, "203.0.113.1")) {
			t.Errorf("%s matches %s", test.as, test.no)
		}
	}
}

func TestPrepareActorsFaults(t *testing.T) {
	known := Names{List: func(string) (filter.Set, error) { return nil, errors.New("the file is gone") }}
	for _, test := range []struct {
		actors         Actors
		names          Names
		location, part string
	}{
		{Actors{}, known, "body.actors", "empty"},
		{Actors{List: "a", Set: []string{"::1"}}, known, "body.actors", "one of them"},
		{Actors{List: "a) | (dport = 80"}, known, "body.actors.list", "invalid name"},
		{Actors{List: "a"}, known, "body.actors.list", "the file is gone"},
		{Actors{List: "a"}, Names{}, "body.actors.list", "not known here"},
		{Actors{Set: []string{"::1", "10.0.0.0/33"}}, known, "body.actors.set[1]", "prefix length"},
		{Actors{Set: []string{"host.example"}}, known, "body.actors.set[0]", "no address, network or range"},
		{Actors{Set: []string{"fe80::1%eth0"}}, known, "body.actors.set[0]", "zone"},
		{Actors{Set: []string{"10.0.0.9-10.0.0.1"}}, known, "body.actors.set[0]", "ends before it starts"},
		{Actors{Set: make([]string, 1000)}, known, "body.actors.set[15]", "no address"},
		{Actors{Set: make([]string, filter.MaxItems+9)}, known, "body.actors.set[0]", "no address"},
	} {
		r := Request{Query: "sip", Ifaces: "any", Actors: &test.actors}
		_, err := r.PrepareWith(context.Background(), now, test.names)
		var p *Problem
		if !errors.As(err, &p) || len(p.Errors) > 16 {
			t.Errorf("%+v: %v", test.location, err)
			continue
		}
		found := false
		for _, f := range p.Errors {
			found = found || f.Location == test.location && strings.Contains(f.Message, test.part)
		}
		if !found {
			t.Errorf("%v, want %q at %s", err, test.part, test.location)
		}
	}
}

// Whoever sends a query on need not have the lists.
func TestPrepareListsElsewhere(t *testing.T) {
	r := Request{Query: "sip", Ifaces: "any", Condition: "sip in @a", Actors: &Actors{List: "b"}}
	q, err := r.PrepareWith(context.Background(), now, Names{List: ListElsewhere})
	if err != nil {
		t.Fatal(err)
	}
	if q.Matcher.Row(between("192.0.2.1", "192.0.2.2")) {
		t.Error("a list that is elsewhere has addresses")
	}
	if q.Request.Condition != "sip in @a" || q.Request.Actors.List != "b" {
		t.Errorf("the request to send on is %+v", q.Request)
	}
}
