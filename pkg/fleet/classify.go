package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// lie is why an answer is not used: it is not one to the question, or none that the contract allows.
type lie struct{ text string }

func (l *lie) Error() string { return l.text }

func lies(format string, arguments ...any) error { return &lie{fmt.Sprintf(format, arguments...)} }

// duplicate says that a host is asked under two names.
type duplicate struct{ id, other, name string }

func (d *duplicate) Error() string {
	return fmt.Sprintf("%s has the same host id %s as %s: a copied store, or the same host twice; its answer is left out", d.name, d.id, d.other)
}

// classify says why a host did not answer.
func classify(err error) wire.Class {
	var known *client.Error
	var open *openError
	var wrong *lie
	var twice *duplicate
	switch {
	case errors.As(err, &open):
		return wire.ClassBreaker
	case errors.As(err, &wrong):
		return wire.ClassProtocol
	case errors.As(err, &twice):
		return wire.ClassDuplicate
	case errors.As(err, &known):
		return classOf(known)
	case errors.Is(err, context.DeadlineExceeded):
		return wire.ClassTimeout
	case errors.Is(err, context.Canceled):
		return wire.ClassCancelled
	}
	return wire.ClassServer
}

func classOf(e *client.Error) wire.Class {
	if e.Kind == client.KindUser {
		return classOfRefusal(e.Problem)
	}
	class := e.Kind.Class()
	if class == wire.ClassServer && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable) {
		return wire.ClassOverloaded
	}
	return class
}

// classOfRefusal tells a question that the server is too old for from one that is at fault.
func classOfRefusal(p *wire.Problem) wire.Class {
	switch {
	case p == nil:
		return wire.ClassQuery
	case p.Type == wire.ProblemLoop:
		return wire.ClassLoop
	case slices.ContainsFunc(p.Errors, func(f wire.Fault) bool {
		return strings.HasPrefix(f.Message, "unknown member") || strings.HasPrefix(f.Message, "unknown attribute") || strings.HasPrefix(f.Message, "goProbe v4 ")
	}):
		return wire.ClassVersion
	}
	return wire.ClassQuery
}

// failure is the status of a host that did not answer.
func failure(err error) wire.Status {
	status := wire.Status{Code: wire.CodeError, State: wire.StateError, Message: err.Error(), Class: classify(err)}
	var e *client.Error
	if errors.As(err, &e) {
		status.Message = e.Text // the host's name stands beside it
		if e.Status == http.StatusTooManyRequests {
			status.Code = wire.CodeTooManyRequests
		}
	}
	switch status.Class {
	case wire.ClassTimeout:
		status.State = wire.StateTimeout
	case wire.ClassBreaker:
		status.State = wire.StateSkipped
	}
	return status
}
