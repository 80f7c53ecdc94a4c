package reports

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/wire"
)

// asker puts the questions of one report.
type asker struct {
	querier Querier
	scope   Scope
	own     *filter.Condition // of the scope
	result  *wire.Result      // what is known of all answers so far; nil: none
	span    [2]int64          // that was asked for, Unix seconds
}

// newAsker checks what the questions of a report have in common.
func newAsker(ctx context.Context, q Querier, s Scope) (*asker, error) {
	if s.Limit < 0 || s.Limit > MaxLimit {
		return nil, fault("limit", s.Limit, "the limit of rows must be between 1 and %d", MaxLimit)
	}
	if s.Limit == 0 {
		s.Limit = DefaultLimit
	}
	if strings.TrimSpace(s.Ifaces) == "" {
		s.Ifaces = "any"
	}
	if s.Now.IsZero() {
		s.Now = time.Now()
	}
	if s.Names.List == nil {
		s.Names.List = wire.ListElsewhere
	}
	// The scope is checked by itself, so that faults point into what was typed.
	request := &wire.Request{Query: "sip", Ifaces: s.Ifaces, QueryHosts: s.Hosts, Condition: s.Condition, First: s.First, Last: s.Last}
	query, err := request.PrepareWith(ctx, s.Now, s.Names)
	if err != nil {
		return nil, err
	}
	if query.Matcher.HasGroup() {
		return nil, fault("condition", s.Condition, "terms on sums and on dir are about rows of a table, and a report has others: leave them out")
	}
	own, err := filter.Parse(query.Request.Condition)
	if err != nil {
		return nil, fault("condition", s.Condition, "%v", err)
	}
	a := &asker{querier: q, scope: s, own: own, span: [2]int64{query.First, query.Last}}
	a.scope.First, a.scope.Last = strconv.FormatInt(query.First, 10), strconv.FormatInt(query.Last, 10)
	return a, nil
}

// ask asks for rows, by attributes, about the flows for which both conditions hold.
func (a *asker) ask(ctx context.Context, attributes string, about *filter.Condition) (*wire.Result, error) {
	s := &a.scope
	request := &wire.Request{
		Query: attributes, Ifaces: s.Ifaces, QueryHosts: s.Hosts, Condition: filter.And(about, a.own).String(),
		First: s.First, Last: s.Last, Live: s.Live, NumResults: s.Limit, Merge: true, Seen: true,
	}
	q, err := request.PrepareWith(ctx, s.Now, s.Names)
	if err != nil {
		return nil, err
	}
	result, err := a.querier.Query(ctx, q, nil)
	if err != nil {
		return nil, err
	}
	a.book(result)
	return result, nil
}

// labelColumns adds labels of hosts to a list of attributes.
func labelColumns(names []string) string {
	text := ""
	for _, name := range names {
		text += ",label." + name
	}
	return text
}

// book keeps what is not rows of an answer: of each host the worst that was said of it.
func (a *asker) book(r *wire.Result) {
	if a.result == nil {
		all := *r
		all.Rows = nil
		all.HostsStatuses = make(map[string]wire.Status, len(r.HostsStatuses))
		for name, status := range r.HostsStatuses {
			all.HostsStatuses[name] = status
		}
		a.result = &all
		return
	}
	for name, status := range r.HostsStatuses {
		known, ok := a.result.HostsStatuses[name]
		if !ok || rank(known) < rank(status) {
			a.result.HostsStatuses[name] = status
		}
	}
	if rank(a.result.Status) < rank(r.Status) {
		a.result.Status = r.Status
	}
	s, add := &a.result.Summary, &r.Summary
	s.Timings.Duration += add.Timings.Duration
	s.Stats.BytesLoaded += add.Stats.BytesLoaded
	s.Stats.BytesDecompressed += add.Stats.BytesDecompressed
	if add.DataAvailable {
		s.DataAvailable = true
		s.TimeFirst, s.TimeLast = earlier(s.TimeFirst, add.TimeFirst), later(s.TimeLast, add.TimeLast)
	}
	if add.Folded != nil && (s.Folded == nil || s.Folded.Packets < add.Folded.Packets) {
		s.Folded = add.Folded // the same intervals, seen twice
	}
}

// rank orders outcomes by how much of an answer is missing.
func rank(s wire.Status) int {
	switch {
	case s.State == wire.StateOK || s.State == "" && s.Code == wire.CodeOK:
		return 0
	case s.State == wire.StateEmpty || s.State == "" && s.Code == wire.CodeEmpty:
		return 0
	case s.State == wire.StateNoData || s.State == wire.StateOutsideCoverage || s.Code == wire.CodeMissingData:
		return 1
	case s.State == wire.StatePartial:
		return 2
	}
	return 3
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// fault is a problem of one member of a question.
func fault(location string, value any, format string, arguments ...any) error {
	return wire.NewProblem(http.StatusUnprocessableEntity, "the question is not valid",
		wire.Fault{Message: fmt.Sprintf(format, arguments...), Location: "body." + location, Value: value})
}

// maxElements bounds how many addresses an end may list.
const maxElements = 1000

// among is the condition that an attribute is one of what an end lists.
func among(attribute, location, end string) (*filter.Condition, error) {
	var terms []string
	for element := range strings.SplitSeq(end, ",") {
		element = strings.TrimSpace(element)
		switch {
		case element == "":
			return nil, fault(location, end, "an empty address: expected an address, a prefix, a range, a host name or @LIST, or several of them separated by commas")
		case strings.Trim(element, elementCharacters) != "":
			return nil, fault(location, end, "%q is no address, prefix, range, host name or @LIST", element)
		case strings.HasPrefix(element, "@"):
			terms = append(terms, attribute+" in "+element)
		default:
			terms = append(terms, attribute+" = "+element)
		}
	}
	if len(terms) > maxElements {
		return nil, fault(location, len(terms), "more than %d addresses: make a list of them and use @LIST", maxElements)
	}
	condition, err := filter.Parse(strings.Join(terms, " | "))
	if err != nil {
		return nil, fault(location, end, "%v", err)
	}
	return condition, nil
}

// elementCharacters are those of addresses, names and lists: nothing that ends a value in the condition language.
const elementCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-@"
