package plugin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/wire"
)

// request is the question to the servers. Rows of all interfaces and hosts are merged into the groups that the
// attributes name; host and interface are attributes like the others.
func (q *question) request(s span) *wire.Request {
	var names []string
	if s.step > 0 && !slices.ContainsFunc(q.columns, isTime) {
		names = append(names, "time")
	}
	for _, c := range q.columns {
		names = append(names, c.Name)
	}
	r := &wire.Request{
		Query:         strings.Join(names, ","),
		Ifaces:        q.query.Ifaces,
		QueryHosts:    q.query.Hosts,
		Condition:     q.query.Condition,
		First:         s.first.UTC().Format(time.RFC3339),
		Last:          s.last.UTC().Format(time.RFC3339),
		In:            q.query.Direction == wire.DirectionIn,
		Out:           q.query.Direction == wire.DirectionOut,
		SortBy:        orDefault(q.query.Sort, string(q.query.Value)),
		SortAscending: q.query.Ascending,
		NumResults:    q.query.Limit,
		Caller:        "grafana",
		Live:          s.live,
		Merge:         true,
		Other:         q.query.Other && !q.alert,
		Compare:       q.query.Compare,
		Dedupe:        q.query.Dedupe,
		Enrich:        q.query.Enrich && !q.alert && slices.ContainsFunc(q.columns, isAddress),
	}
	if s.step > 0 {
		r.TimeResolution = s.step.String()
		r.Series = q.query.QueryType != typeTable
	}
	if q.query.QueryType == typeSeries {
		r.Compare = "" // a second query, since a group may have had traffic in bins in which it has none now
	}
	return r
}

// names finds what a condition refers to: hosts here, lists where the servers are.
func (d *DataSource) names() wire.Names {
	return wire.Names{Lookup: d.addresses, List: wire.ListElsewhere}
}

// flows asks for a request. The result may be shared with others who ask the same: it is not to be changed.
func (q *question) flows(ctx context.Context, request *wire.Request, show func(*wire.Result)) (*wire.Result, *wire.Query, error) {
	prepared, err := request.PrepareWith(ctx, q.source.now(), q.source.names())
	if err != nil {
		return nil, nil, asked(err)
	}
	result, err := q.joint().Query(ctx, prepared, show)
	if err != nil {
		return nil, nil, err
	}
	return result, prepared, nil
}

// command is the command line of a request, as it was prepared.
func (q *question) command(prepared *wire.Query) string {
	return queryargs.Command(prepared.Request, q.options())
}

// joint asks the servers of the question; equal queries at the same time are one.
func (q *question) joint() joint { return joint{q} }

type joint struct{ *question }

// inTurn asks several questions one after the other: none of them may take all the time that is left, or a host that
// hangs would leave nothing for the others.
type inTurn struct{ joint }

// Query gives a question less than half of the time that is left.
func (q inTurn) Query(ctx context.Context, prepared *wire.Query, show func(*wire.Result)) (*wire.Result, error) {
	if end, ok := ctx.Deadline(); ok {
		part, cancel := context.WithTimeout(ctx, time.Until(end)*2/5)
		defer cancel()
		ctx = part
	}
	return q.joint.Query(ctx, prepared, show)
}

// Query is what reports and flows ask through.
func (q joint) Query(ctx context.Context, prepared *wire.Query, show func(*wire.Result)) (*wire.Result, error) {
	key, err := json.Marshal(struct {
		Servers []string
		Request *wire.Request
	}{serverNames(q.servers), prepared.Request})
	if err != nil {
		return nil, err
	}
	d := q.source
	return d.flights.do(ctx, string(key), show, func(ctx context.Context, show func(*wire.Result)) (*wire.Result, error) {
		if prepared.Request.QueryHosts != "" || len(prepared.LabelNames()) > 0 || strings.Contains(prepared.Request.Condition, "label.") {
			d.catalogs.get(ctx) // selections go by labels, and hosts have to say theirs first
		}
		servers, err := d.roster.fleet(q.servers)
		if err != nil {
			return nil, err
		}
		return servers.Query(ctx, prepared, show)
	})
}

func serverNames(servers []server) []string {
	names := make([]string, len(servers))
	for i, s := range servers {
		names[i] = s.Name
	}
	return names
}

// commandOnly is the command line of the query without asking it; endless leaves the range to the command line.
func (q *question) commandOnly(ctx context.Context, endless bool) (string, error) {
	s, err := q.span()
	if verb, _ := q.reportVerb(); verb != "" && err == nil {
		if endless {
			s = span{}
		}
		return q.asReport(s), nil
	}
	if q.query.QueryType == typeVariable || q.query.QueryType == typeHosts {
		return "", nil // the servers' catalogs answer, which no command line shows in this form
	}
	series := q.query.QueryType == typeSeries || q.query.QueryType == typeAnnotations
	if series || q.query.Resolution != "" {
		s, err = q.binned(ctx)
	}
	if err != nil {
		return "", err
	}
	request := q.request(s)
	prepared, err := request.PrepareWith(ctx, q.source.now(), q.source.names())
	if err != nil {
		return "", explain(err)
	}
	if endless {
		prepared.Request.First, prepared.Request.Last = "", ""
	}
	return q.command(prepared), nil
}
