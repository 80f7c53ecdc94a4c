package wire

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// MaxGroups bounds the groups that a request names.
const MaxGroups = 10_000

// Group names a group by what its rows have in common but the time. A label that is not given may have any value; an
// attribute that the query groups by has to be given, numbers unless they are 0.
type Group struct {
	Labels     Labels     `json:"labels,omitzero"`
	Attributes Attributes `json:"attributes"`
}

// GroupOf is the group of a row.
func GroupOf(row *Row) Group {
	g := Group{Labels: row.Labels, Attributes: row.Attributes}
	g.Labels.Timestamp = Labels{}.Timestamp
	return g
}

// groupMembers are the members that a group may have.
var groupMembers = map[string][]string{
	"labels":     {"iface", "host", "host_id", "host_labels"},
	"attributes": {"sip", "dip", "dport", "proto", "verdict"},
}

// UnmarshalJSON refuses members that are not known: a group that is read as a wider one would get a wrong answer.
func (g *Group) UnmarshalJSON(data []byte) error {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(data, &outer); err != nil {
		return err
	}
	for name, value := range outer {
		known, ok := groupMembers[name]
		if !ok {
			return fmt.Errorf("unknown member %q of a group", clip(name))
		}
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(value, &inner); err != nil {
			return err
		}
		for member := range inner {
			base, _, _ := strings.Cut(member, "/")
			if !slices.Contains(known, base) {
				return fmt.Errorf("unknown member %q of the %s of a group", clip(member), name)
			}
		}
	}
	type plain Group // without methods
	*g = Group{}
	return json.Unmarshal(data, (*plain)(g))
}

// rounds checks the members with which a fleet asks in rounds.
func (c *checker) rounds(q *Query) {
	r := c.request
	q.Groups = r.Groups
	if r.Threshold != nil {
		q.Threshold = *r.Threshold
	}
	switch {
	case q.Threshold > 0 && q.SortBy == SortTime:
		c.fault("threshold", q.Threshold, "rows in the order of time have no sum to compare with a threshold: leave time out of the query, or ask for a series")
	case q.Threshold > 0 && q.Ascending:
		c.fault("threshold", q.Threshold, "a threshold needs descending order")
	}
	if len(r.Groups) > MaxGroups {
		c.fault("groups", nil, "%d groups, more than the limit of %d", len(r.Groups), MaxGroups)
		return
	}
	if r.Groups != nil && len(r.Groups) == 0 {
		c.fault("groups", nil, "the list of groups is empty: name some, or leave the member out")
	}
	if c.faulty("query") {
		return
	}
	for i := range r.Groups {
		if text := q.misnamed(&r.Groups[i]); text != "" {
			c.fault(fmt.Sprintf("groups[%d]", i), nil, "%s", text)
			return
		}
	}
	switch Dedupe(r.Dedupe) {
	case "", DedupeSum:
		q.Dedupe = DedupeSum
	case DedupeMax:
		q.Dedupe = DedupeMax
	default:
		c.fault("dedupe", r.Dedupe, "unknown way to join the views of several hosts %q: expected sum or max%s", r.Dedupe, hint(r.Dedupe, []string{"sum", "max"}))
	}
}

// misnamed says what is wrong with a group of the query; empty if nothing is.
func (q *Query) misnamed(g *Group) string {
	if !g.Labels.Timestamp.IsZero() {
		return "a group is named without a time stamp"
	}
	rest := *g
	for _, c := range q.Columns {
		switch c.Field.Name {
		case "sip":
			if !g.Attributes.Source.IsValid() || g.Attributes.SourceBits != c.Prefix {
				return fmt.Sprintf("the group lacks the attribute %s of the query", c.Name)
			}
			rest.Attributes.Source, rest.Attributes.SourceBits = Attributes{}.Source, 0
		case "dip":
			if !g.Attributes.Destination.IsValid() || g.Attributes.DestinationBits != c.Prefix {
				return fmt.Sprintf("the group lacks the attribute %s of the query", c.Name)
			}
			rest.Attributes.Destination, rest.Attributes.DestinationBits = Attributes{}.Destination, 0
		case "dport":
			rest.Attributes.DestinationPort = 0
		case "proto":
			rest.Attributes.Protocol = 0
		case "verdict":
			if _, ok := flow.ParseVerdict(g.Attributes.Verdict); !ok {
				return fmt.Sprintf("the group has no verdict, or an unknown one: expected %s", strings.Join(flow.VerdictNames(), ", "))
			}
			rest.Attributes.Verdict = ""
		}
	}
	carries := func(name string) bool { return !q.Merge || q.Has(name) }
	switch {
	case rest.Attributes != Attributes{}:
		return "the group has an attribute that the query does not group by"
	case !carries("iface") && g.Labels.Iface != "", !carries("host") && g.Labels.Host != "", !carries("hostid") && g.Labels.HostID != "",
		g.Labels.HostLabels.Only(q.LabelNames()) != g.Labels.HostLabels:
		return "the group has a label that the query does not group by"
	}
	if carries("host") && carries("hostid") && (g.Labels.Host == "") != (g.Labels.HostID == "") {
		return "the group has one of host and host_id, but the query groups by both: give both of them or none"
	}
	return ""
}

// Dedupe says how rows of several hosts are joined where groups span them.
type Dedupe string

// The ways. With DedupeMax a flow that several hosts saw counts once: bytes and packets are those of the host that
// counted most, attempts, accepts and rejects each the greatest number of any host, and round trips those of the host
// that measured most.
const (
	DedupeSum Dedupe = "sum"
	DedupeMax Dedupe = "max"
)

// join adds what another host counted for the same group.
func (d Dedupe) join(into *flow.Counters, c flow.Counters) {
	if d != DedupeMax {
		into.Add(c)
		return
	}
	if compareViews(&c, into) > 0 {
		into.BytesReceived, into.BytesSent, into.PacketsReceived, into.PacketsSent = c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent
	}
	into.Attempts, into.Accepts, into.Rejects = max(into.Attempts, c.Attempts), max(into.Accepts, c.Accepts), max(into.Rejects, c.Rejects)
	if c.RoundTrips > into.RoundTrips || c.RoundTrips == into.RoundTrips && c.RoundTripNanoseconds > into.RoundTripNanoseconds {
		into.RoundTrips, into.RoundTripNanoseconds = c.RoundTrips, c.RoundTripNanoseconds
	}
}

// compareViews orders what hosts saw of a flow: a total order, so that the outcome does not depend on who is first.
func compareViews(a, b *flow.Counters) int {
	for _, pair := range [...][2]uint64{{a.Bytes(), b.Bytes()}, {a.Packets(), b.Packets()}, {a.BytesReceived, b.BytesReceived}, {a.PacketsReceived, b.PacketsReceived}} {
		switch {
		case pair[0] < pair[1]:
			return -1
		case pair[0] > pair[1]:
			return 1
		}
	}
	return 0
}
