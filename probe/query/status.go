package query

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// maxNamed bounds how many interfaces a message names.
const maxNamed = 4

// status fills in the outcome, overall and of the host.
func (r *run) status(ctx context.Context, result *wire.Result) {
	s := wire.Status{Code: wire.CodeOK, State: wire.StateOK}
	var notes []string
	switch {
	case len(result.Rows) > 0:
		notes = r.unknown()
	case r.covered.any:
		s = wire.Status{Code: wire.CodeEmpty, State: wire.StateEmpty}
		notes = append([]string{"there is data, but no flow in it matches"}, r.unknown()...)
	default:
		s = wire.Status{Code: wire.CodeMissingData}
		s.State, notes = r.missing(ctx)
	}
	notes = append(notes, r.doubts.notes()...)
	if r.stats.Corrupted > 0 {
		s.State = wire.StatePartial
		notes = append(notes, r.corruption())
	}
	s.Message = strings.Join(notes, "; ")
	result.Status = s
	// The host did its part whatever came out: as with goProbe its code is ok, and state says the rest.
	s.Code = wire.CodeOK
	s.DurationNanoseconds = int64(result.Summary.Timings.Duration)
	s.HostID = r.engine.deps.HostID
	s.Rows, s.BytesScanned = result.Summary.Hits.Total, r.stats.BytesRead
	result.HostsStatuses = map[string]wire.Status{r.engine.deps.Host: s}
}

// missing says why there is no data, and where there is some.
func (r *run) missing(ctx context.Context) (wire.State, []string) {
	if len(r.interfaces) == 0 {
		if notes := r.unknown(); len(notes) > 0 {
			return wire.StateNoData, notes
		}
		if len(r.known) == 0 {
			return wire.StateNoData, []string{"nothing has been captured yet on any interface"}
		}
		return wire.StateNoData, []string{fmt.Sprintf("no interface matches %s; there are %s", r.query.Interfaces, list(r.known))}
	}
	state := wire.StateNoData
	var spans []string
	for _, iface := range r.interfaces[:min(len(r.interfaces), maxNamed)] {
		first, last, err := r.engine.deps.Stored.Coverage(ctx, iface)
		if err != nil || last == 0 {
			spans = append(spans, iface+" has no stored data")
			continue
		}
		if r.query.First > last || r.query.Last < first {
			state = wire.StateOutsideCoverage
		}
		spans = append(spans, fmt.Sprintf("%s has data from %s to %s", iface, written(first), written(last)))
	}
	if more := len(r.interfaces) - maxNamed; more > 0 {
		spans = append(spans, fmt.Sprintf("and %d more interfaces", more))
	}
	return state, append([]string{
		r.noData(),
		strings.Join(spans, ", "),
	}, r.unknown()...)
}

// noData names the span that was asked for.
func (r *run) noData() string {
	if r.query.Last >= wire.EndOfTime {
		return "no data since " + written(r.query.First)
	}
	return fmt.Sprintf("no data between %s and %s", written(r.query.First), written(r.query.Last))
}

// unknown names the interfaces that were asked for by name and do not exist.
func (r *run) unknown() (notes []string) {
	text := r.query.Interfaces.String()
	if strings.HasPrefix(text, "/") {
		return nil
	}
	known := map[string]bool{"any": true}
	for _, name := range r.known {
		known[name] = true
	}
	for name := range strings.SplitSeq(text, ",") {
		if known[name] || strings.HasPrefix(name, "!") {
			continue
		}
		note := fmt.Sprintf("no interface %q", name)
		if nearest, ok := flow.Nearest(name, r.known); ok {
			note += fmt.Sprintf("; did you mean %q?", nearest)
		} else if len(r.known) > 0 {
			note += "; there are " + list(r.known)
		}
		if notes = append(notes, note); len(notes) == maxNamed {
			break
		}
	}
	return notes
}

// corruption says what could not be read.
func (r *run) corruption() string {
	text := fmt.Sprintf("%d damaged places in the store, %d bytes lost", r.stats.Corrupted, r.stats.BytesLost)
	if len(r.stats.Damage) > 0 {
		text += ", first " + r.stats.Damage[0].String()
	}
	return text
}

func list(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// written is a moment as messages have it.
func written(seconds int64) string { return moment(seconds).Format(time.RFC3339) }
