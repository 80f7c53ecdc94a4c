package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/wire"
)

// question is a checked query with what it takes to ask it.
type question struct {
	source  *DataSource
	query   Query
	columns []wire.Column
	servers []server
	asked   backend.DataQuery
	alert   bool
	// show gets the answer so far while hosts answer; nil: nobody watches.
	show func(data.Frames)
}

// answer is what a query type makes of a question.
type answer struct {
	frames data.Frames
	result *wire.Result // of all queries behind it; nil: it needed none
	// command is the command line that gives the same answer.
	command string
	span    span
	remarks []string
	// covered says that the remarks tell what the data cover.
	covered bool
}

// question checks a query. Every error is the user's to mend.
func (d *DataSource) question(ctx context.Context, from backend.DataQuery, alert bool) (*question, error) {
	q := &question{source: d, asked: from, alert: alert}
	var err error
	if q.query, err = DecodeQuery(from.JSON); err != nil {
		return nil, asked(err)
	}
	if q.columns, err = q.query.Fields(); err != nil {
		return nil, asked(err)
	}
	if alert {
		if err := q.checkAlert(); err != nil {
			return nil, asked(err)
		}
	}
	if q.servers, err = d.choose(ctx, q.query.Servers); err != nil {
		return nil, asked(err)
	}
	return q, nil
}

// checkAlert refuses what an alert rule can't read.
func (q *question) checkAlert() error {
	switch {
	case q.query.QueryType != typeTable && q.query.QueryType != typeSeries:
		return fmt.Errorf("query type %q: an alert rule reads tables and time series only", q.query.QueryType)
	case q.query.QueryType == typeTable && slices.ContainsFunc(q.columns, isTime):
		return fmt.Errorf("an alert rule can't read a table with time: leave time out, or use the time series type")
	case q.query.QueryType == typeTable && q.query.Compare != "":
		return fmt.Errorf("compare: an alert rule reads one number of each row; leave compare out, or compare two queries in the rule")
	}
	return nil
}

// A whole answer may take a quarter longer than one host: with the defaults, both are within Grafana's 30 s.
const answerShare, hostShare = 5, 4

// answer asks, and puts on the first frame what is to be said of the answer.
func (q *question) answer(ctx context.Context) (data.Frames, error) {
	ctx, cancel := context.WithTimeout(ctx, q.source.settings.Timeout*answerShare/hostShare)
	defer cancel()
	ask := map[string]func(context.Context) (*answer, error){
		typeTable: q.table, typeSeries: q.series, typeGraph: q.graph, typeVariable: q.variable,
		typeAnnotations: q.annotations, typePath: q.path, typeAsymmetry: q.asymmetry,
		typeActors: q.actors, typeHosts: q.hosts,
	}[q.query.QueryType]
	a, err := ask(ctx)
	if err != nil {
		return nil, err
	}
	if a.result == nil {
		return a.frames, nil
	}
	if err := q.usable(a.result); err != nil {
		return nil, err
	}
	if (q.query.Debug || q.query.Frame == frameDebug) && !q.alert {
		a.frames = append(a.frames, frames.Debug(a.result))
	}
	a.choose(q.query.Frame)
	a.apart()
	q.describe(a, 0, 0)
	return a.frames, nil
}

// choose leaves the frame of that name, if there is one: a panel shows the first of several, and asks its viewer which.
func (a *answer) choose(name string) {
	for _, f := range a.frames {
		if name != "" && f.Name == name {
			a.frames = data.Frames{f}
			return
		}
	}
}

// apart keeps tables of different things apart where nobody arranged panels: Explore would join all of an answer into one,
// with rows that are half empty. It shows these in a table panel, which asks its viewer which one.
func (a *answer) apart() {
	if len(a.frames) < 2 {
		return
	}
	for _, f := range a.frames {
		if f.Name != "" && f.Meta != nil && f.Meta.Type == data.FrameTypeTable && f.Meta.PreferredVisualization == "" {
			f.Meta.PreferredVisualizationPluginID = "table"
		}
	}
}

// usable refuses an answer that nobody gave, and of a strict query one that lacks a part. The state of hosts is an
// answer whatever it is.
func (q *question) usable(result *wire.Result) error {
	if q.query.QueryType == typeHosts {
		return nil
	}
	if err := allFailed(result); err != nil {
		return err
	}
	if q.query.Strict || q.source.settings.Strict {
		return missing(result)
	}
	return nil
}

// describe writes notices, details and the command line onto the first frame.
func (q *question) describe(a *answer, done, total int) {
	remarks := a.remarks
	if idle := q.query.idle(); len(idle) > 0 {
		remarks = append(slices.Clip(remarks), fmt.Sprintf("%s has no effect on this type of query", strings.Join(idle, ", ")))
	}
	if q.query.Resolve && !q.source.settings.Lookup && !q.alert {
		remarks = append(slices.Clip(remarks), "names are not looked up: reverse lookup is switched off in the data source's settings")
	}
	if q.query.Enrich && !q.alert && len(a.result.Rows) > 0 && len(a.result.Summary.Enrichment) == 0 && slices.ContainsFunc(q.columns, isAddress) {
		remarks = append(slices.Clip(remarks), "no server knows where these addresses belong: give a gateway files for it (enrich in its configuration)")
	}
	if text := q.olderServers(); text != "" {
		remarks = append(slices.Clip(remarks), text)
	}
	frames.About{
		Result: a.result, Command: a.command, Covered: a.covered, First: a.span.first, Last: a.span.last, Step: a.span.step,
		Remarks: remarks, Done: done, Total: total,
	}.Describe(a.frames)
}

// options of the command line say where to ask.
func (q *question) options() queryargs.Options {
	var addresses []string
	for _, s := range q.servers {
		if s.Problem == nil { // else it can't be asked from anywhere
			addresses = append(addresses, s.Name+"="+s.URL) // so that the host column shows the same names
		}
	}
	return queryargs.Options{Servers: addresses}
}

// span is the range of a table.
func (q *question) span() (span, error) {
	s, err := tableSpan(q.asked.TimeRange, q.source.now(), q.alert)
	return s, asError(err)
}

// binned is the range of what is counted in bins.
func (q *question) binned(ctx context.Context) (span, error) {
	interval := q.source.catalogs.interval(ctx, q.servers)
	bin := binLength(interval, q.asked)
	if q.query.Resolution != "" && q.query.Resolution != "auto" {
		var err error
		if bin, err = resolution(q.query.Resolution, interval, q.asked.TimeRange.Duration()); err != nil {
			return span{}, asked(err)
		}
	}
	s, err := seriesSpan(q.asked.TimeRange, q.source.now(), q.alert, bin)
	return s, asError(err)
}

func asError(err error) error {
	if err == nil {
		return nil
	}
	return asked(err)
}

// links lead to the dashboards that come with the plugin.
func (q *question) links() frames.Links {
	if q.alert {
		return frames.Links{}
	}
	return frames.Links{DataSource: q.source.uid, Condition: q.query.Condition}
}

// lasting is how long the range is.
func (s span) lasting() time.Duration { return s.last.Sub(s.first) }
