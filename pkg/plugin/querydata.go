package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/concurrent"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/wire"
)

// queriesAtOnce bounds how many queries of one request run at the same time.
const queriesAtOnce = 10

// QueryData runs the queries of a request at the same time; each has its own answer or error.
func (d *DataSource) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	alert := fromAlert(request.Headers)
	return concurrent.QueryData(ctx, request, func(ctx context.Context, q concurrent.Query) (response backend.DataResponse) {
		defer func() {
			if r := recover(); r != nil {
				backend.Logger.FromContext(ctx).Error("query", "refId", q.DataQuery.RefID, "panic", r, "stack", string(debug.Stack()))
				response = failed(http.StatusInternalServerError, backend.ErrorSourcePlugin,
					errors.New("the plugin made a mistake with this query; Grafana's log has the details"))
			}
		}()
		return d.query(ctx, q.DataQuery, alert)
	}, queriesAtOnce)
}

// fromAlert says whether the alerting engine asks. The user says nothing: it is an account like any other.
func fromAlert(headers map[string]string) bool {
	return headers[backend.FromAlertHeaderName] == "true"
}

// query answers one query.
func (d *DataSource) query(ctx context.Context, asked backend.DataQuery, alert bool) backend.DataResponse {
	plan, err := d.plan(ctx, asked, alert)
	if err != nil {
		return failed(http.StatusBadRequest, backend.ErrorSourceDownstream, err)
	}
	servers, err := d.ask(plan.servers)
	if err != nil {
		return failed(http.StatusInternalServerError, backend.ErrorSourcePlugin, err)
	}
	result, err := servers.Query(ctx, plan.prepared, nil)
	if err != nil {
		return refused(err)
	}
	if err := allFailed(result); err != nil {
		return failed(http.StatusBadGateway, backend.ErrorSourceDownstream, err)
	}
	return backend.DataResponse{Status: http.StatusOK, Frames: plan.frames(result)}
}

// plan is a checked query with everything that is needed to ask it and to show its answer.
type plan struct {
	query    Query
	fields   []flow.Field
	servers  []server
	span     span
	prepared *wire.Query
	alert    bool
}

// plan checks a query. Every error is the user's to mend.
func (d *DataSource) plan(ctx context.Context, asked backend.DataQuery, alert bool) (*plan, error) {
	p := &plan{alert: alert}
	var err error
	if p.query, err = DecodeQuery(asked.JSON); err != nil {
		return nil, err
	}
	if p.fields, err = p.query.Fields(); err != nil {
		return nil, err
	}
	if alert && p.query.QueryType == typeTable && slices.ContainsFunc(p.fields, isTime) {
		return nil, errors.New("an alert rule can't read a table with time: leave time out, or use the time series type")
	}
	if p.servers, err = d.choose(p.query.Servers); err != nil {
		return nil, err
	}
	if p.query.QueryType == typeSeries {
		bin := binLength(d.catalogs.interval(ctx, p.servers), asked)
		p.span, err = seriesSpan(asked.TimeRange, d.now(), alert, bin)
	} else {
		p.span, err = tableSpan(asked.TimeRange, d.now(), alert)
	}
	if err != nil {
		return nil, err
	}
	request, err := p.query.Request(p.span)
	if err != nil {
		return nil, err
	}
	if p.prepared, err = request.PrepareResolving(ctx, d.now(), lookup); err != nil {
		return nil, explain(err)
	}
	return p, nil
}

// lookup finds the addresses of a host that a condition names, as this machine does. Its errors do not name the
// name server: that is nobody's business.
func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	var dns *net.DNSError
	switch {
	case err == nil:
		return addresses, nil
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, errors.New("no such host")
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &dns) && dns.IsTimeout:
		return nil, errors.New("the name server did not answer in time")
	}
	return nil, errors.New("the name server could not be asked")
}

func isTime(f flow.Field) bool { return f.Type == flow.TypeTime }

// frames shows the answer.
func (p *plan) frames(result *wire.Result) data.Frames {
	command := p.command()
	if p.query.QueryType == typeSeries {
		return frames.Series{
			Columns: p.fields, Direction: p.query.Direction, Value: p.query.Value,
			Rate: p.query.Unit == unitRate, Step: p.span.step, Command: command,
		}.Frames(result)
	}
	return frames.Table{
		Columns: p.fields, Direction: p.query.Direction, Value: p.query.Value,
		Single: p.alert, Command: command,
	}.Frames(result)
}

// command is the command line that gives the same answer.
func (p *plan) command() string {
	var addresses []string
	for _, s := range p.servers {
		if s.Problem != nil {
			continue // it can't be asked from anywhere
		}
		addresses = append(addresses, s.Name+"="+s.URL) // so that the host column shows the same names
	}
	return queryargs.Command(p.prepared.Request, queryargs.Options{Servers: addresses})
}

// explain turns a problem with a request into what a person at a query editor needs: the faults without the
// members of the wire, a parser's message with its position in the condition.
func explain(err error) error {
	var problem *wire.Problem
	if !errors.As(err, &problem) || len(problem.Errors) == 0 {
		return err
	}
	texts := make([]string, len(problem.Errors))
	for i, fault := range problem.Errors {
		texts[i] = frames.OneLine(fault.Message)
	}
	return errors.New(strings.Join(texts, "; "))
}

// refused is the answer to a query that the fleet as a whole did not take.
func refused(err error) backend.DataResponse {
	var problem *wire.Problem
	if errors.As(err, &problem) {
		status := http.StatusBadGateway
		if problem.Status >= 400 && problem.Status < 500 {
			status = problem.Status
		}
		return failed(status, backend.ErrorSourceDownstream, explain(err))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failed(http.StatusGatewayTimeout, backend.ErrorSourceDownstream, errors.New("the servers did not answer in time"))
	}
	return failed(http.StatusBadGateway, backend.ErrorSourceDownstream, err)
}

// allFailed is an error that names every server, if none of them answered; nil where one did.
func allFailed(result *wire.Result) error {
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(result.HostsStatuses)) {
		status := result.HostsStatuses[name]
		switch frames.StateOf(status) {
		case wire.StateError, wire.StateTimeout, wire.StateSkipped:
			reasons = append(reasons, frames.Reason(name, status))
		default:
			return nil
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return fmt.Errorf("no server answered: %s", strings.Join(reasons, ", "))
}

func failed(status int, source backend.ErrorSource, err error) backend.DataResponse {
	return backend.DataResponse{Error: err, Status: backend.Status(status), ErrorSource: source}
}
