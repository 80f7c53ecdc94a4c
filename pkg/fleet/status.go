package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/wire"
)

// single is the status of a server that is one host. goProbe's sensors call themselves ok even without data: then
// the status of the whole answer says more.
func single(result *wire.Result) wire.Status {
	status := result.Status
	for _, own := range result.HostsStatuses {
		if len(result.HostsStatuses) == 1 && (own.Code != wire.CodeOK || status.Code == "") {
			status = own
		}
		if own.BytesScanned > status.BytesScanned {
			status.BytesScanned = own.BytesScanned
		}
	}
	if status.Code == "" {
		status.Code = wire.CodeOK
	}
	if status.State == "" {
		status.State = stateOf(status.Code)
	}
	return status
}

func stateOf(code wire.Code) wire.State {
	switch code {
	case wire.CodeOK:
		return wire.StateOK
	case wire.CodeEmpty:
		return wire.StateEmpty
	case wire.CodeMissingData:
		return wire.StateNoData
	}
	return wire.StateError
}

// statuses are those of all hosts, in the order of the inventory: the first one keeps a name that two have.
func (r *run) statuses() map[string]wire.Status {
	all := make(map[string]wire.Status, len(r.hosts))
	for i, o := range r.outcomes {
		name := r.hosts[i].Name
		switch {
		case !o.asked:
			all[name] = wire.Status{Code: wire.CodeError, State: wire.StateSkipped, Message: "no answer yet"}
		case o.statuses == nil:
			all[name] = o.status
		}
	}
	for i, o := range r.outcomes {
		for inner, status := range o.statuses {
			if _, taken := all[inner]; taken {
				inner = r.hosts[i].Name + "/" + inner
			}
			if status.State == "" {
				status.State = stateOf(status.Code)
			}
			all[inner] = status
		}
	}
	return all
}

// status sums the hosts' up: any row makes it ok, any host that is missing makes it partial.
func (r *run) status(result *wire.Result) wire.Status {
	failed, partial, labels := 0, false, 0
	for _, s := range result.HostsStatuses {
		if s.Class == wire.ClassLabel {
			labels++
		}
		if s.Code == wire.CodeError || s.Code == wire.CodeTooManyRequests {
			failed++
		}
		partial = partial || s.State == wire.StatePartial
	}
	var status wire.Status
	switch {
	case len(result.Rows) > 0:
		status.Code = wire.CodeOK
	case failed > 0 && failed == len(result.HostsStatuses):
		return wire.Status{Code: wire.CodeError, State: wire.StateError, Message: fmt.Sprintf("none of %d hosts answered", failed)}
	case labels > 0 && labels == len(result.HostsStatuses):
		status.Code, status.Message = wire.CodeEmpty, "no host has the labels of the condition"
	case result.Summary.DataAvailable:
		status.Code, status.Message = wire.CodeEmpty, "nothing matches the query"
	default:
		status.Code, status.Message = wire.CodeMissingData, "no host has data of these interfaces in this time"+spans(result.HostsStatuses)
	}
	status.State = stateOf(status.Code)
	if status.Code == wire.CodeMissingData && outside(result.HostsStatuses) {
		status.State = wire.StateOutsideCoverage
	}
	if failed > 0 {
		status.State = wire.StatePartial
		status.Message = fmt.Sprintf("%d of %d hosts did not answer", failed, len(result.HostsStatuses))
	} else if partial {
		status.State, status.Message = wire.StatePartial, "not all hosts answered in full"
	}
	return status
}

// outside says that every host has data, but of other times.
func outside(statuses map[string]wire.Status) bool {
	for _, s := range statuses {
		if s.State != wire.StateOutsideCoverage {
			return false
		}
	}
	return len(statuses) > 0
}

// maxSpans bounds how many hosts say what they have instead.
const maxSpans = 3

// spans repeats what hosts without data in the range say of the data they have.
func spans(statuses map[string]wire.Status) string {
	var text strings.Builder
	said := 0
	for _, name := range slices.Sorted(maps.Keys(statuses)) {
		if s := statuses[name]; s.Code == wire.CodeMissingData && s.Message != "" && said < maxSpans {
			fmt.Fprintf(&text, "; %s: %s", name, s.Message)
			said++
		}
	}
	return text.String()
}
