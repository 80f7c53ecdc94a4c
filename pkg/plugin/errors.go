package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// fault is an error with its place: whose it is, and the HTTP status that says so.
type fault struct {
	status int
	source backend.ErrorSource
	cause  error
}

func (f *fault) Error() string { return f.cause.Error() }
func (f *fault) Unwrap() error { return f.cause }

// asked is a fault of whoever asked: a saved query, a condition, a selection.
func asked(err error) error {
	return &fault{http.StatusBadRequest, backend.ErrorSourceDownstream, explain(err)}
}

// byServers is a fault of the servers that were asked.
func byServers(err error) error {
	return &fault{http.StatusBadGateway, backend.ErrorSourceDownstream, err}
}

// refused is the answer to a query that failed as a whole.
func refused(err error) backend.DataResponse {
	status, source := http.StatusBadGateway, backend.ErrorSourceDownstream
	var own *fault
	var problem *wire.Problem
	switch {
	case errors.Is(err, errBroken):
		status, source = http.StatusInternalServerError, backend.ErrorSourcePlugin
	case errors.As(err, &own):
		status, source, err = own.status, own.source, own.cause
	case errors.As(err, &problem):
		if problem.Status >= 400 && problem.Status < 500 {
			status = problem.Status
		}
		err = explain(err)
	case errors.Is(err, context.DeadlineExceeded):
		status, err = http.StatusGatewayTimeout, errors.New("the servers did not answer in time: ask for a shorter range or less, or raise the timeout of the data source")
	case errors.Is(err, context.Canceled):
		status, err = http.StatusGatewayTimeout, errors.New("cancelled: nobody waits for the answer any more")
	}
	return backend.DataResponse{Error: err, Status: backend.Status(status), ErrorSource: source}
}

// explain turns a problem with a request into what a person at a query editor needs: the faults without the
// members of the wire, a parser's message with its position in the condition.
func explain(err error) error {
	var problem *wire.Problem
	if !errors.As(err, &problem) || len(problem.Errors) == 0 {
		return err
	}
	texts := make([]string, 0, explained+1)
	for i, fault := range problem.Errors {
		if i == explained {
			texts = append(texts, fmt.Sprintf("and at least %d more faults", len(problem.Errors)-i))
			break
		}
		texts = append(texts, frames.OneLine(fault.Message))
	}
	return errors.New(strings.Join(texts, "; "))
}

// explained is how many faults a panel tells of: who chose a thousand hosts that are gone learns nothing from more.
const explained = 3

// allFailed is an error that names every server, if none of them answered; nil where one did.
func allFailed(result *wire.Result) error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(result.HostsStatuses)) {
		switch frames.StateOf(result.HostsStatuses[name]) {
		case wire.StateError, wire.StateTimeout, wire.StateSkipped:
			names = append(names, name)
		default:
			return nil
		}
	}
	if len(names) == 0 {
		return nil
	}
	return byServers(fmt.Errorf("no server answered: %s", frames.Reasons(names, result.HostsStatuses)))
}

// missing is an error that names every host whose part an answer lacks, for queries that want all or nothing; nil
// where none is missing.
func missing(result *wire.Result) error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(result.HostsStatuses)) {
		if frames.Missing(result.HostsStatuses[name]) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return byServers(fmt.Errorf("%d of %d hosts are missing from the answer, and the query is strict: %s",
		len(names), len(result.HostsStatuses), frames.Reasons(names, result.HostsStatuses)))
}
