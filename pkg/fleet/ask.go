package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Prober is a Client that can be asked for a sign of life, which costs the host next to nothing.
type Prober interface {
	Probe(ctx context.Context) error
}

// probeTimeout is how long a host has for a sign of life.
const probeTimeout = 2 * time.Second

// ask asks one host and checks that what comes is an answer to the question. ctx is the host's, with its deadline. What
// can be known of the host by its answer stands in the result's status and in that of the host.
func (f *Fleet) ask(ctx context.Context, h Host, q *wire.Query, r *wire.Request) (*wire.Result, error) {
	var result *wire.Result
	err := f.guarded(ctx, h, func(ctx context.Context) (err error) {
		asked := *r // clients may not share what they might change
		asked.Enrich = asked.Enrich && enriches(ctx, h.Client)
		sent := f.now()
		if result, err = h.Client.Query(ctx, &asked); err != nil {
			return err
		}
		if result == nil {
			return errors.New("no answer")
		}
		if err := verify(q, r, result); err != nil {
			return err
		}
		describe(result, sent, f.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// guarded does work with a host, unless its breaker is open.
func (f *Fleet) guarded(ctx context.Context, h Host, work func(context.Context) error) error {
	s := h.state
	trial, err := s.breaker.enter(f.now(), f.cfg.BreakerFailures)
	if err != nil {
		s.outcomes.count(wire.ClassBreaker)
		f.outcomes.count(wire.ClassBreaker)
		return err
	}
	slow, given := hostSlow, remaining(ctx)
	if prober, ok := s.client.(Prober); ok && trial {
		err = f.signOfLife(ctx, prober)
		if err != nil {
			slow = hostFails // the question is not at fault
		}
	} else if !ok {
		slow = hostFails
	}
	if err == nil {
		err = work(ctx)
	}
	class := wire.Class("")
	if err != nil {
		class = classify(err)
	}
	s.outcomes.count(class)
	f.outcomes.count(class)
	s.breaker.leave(f.now(), &f.cfg, trial, judge(class, given, slow), class, reasonOf(err))
	return err
}

func (f *Fleet) signOfLife(ctx context.Context, p Prober) error {
	ctx, cancel := context.WithTimeout(ctx, min(probeTimeout, f.cfg.HostTimeout/2))
	defer cancel()
	return p.Probe(ctx)
}

// shortTime is too short to blame a host that does not answer within it.
const shortTime = time.Second

// remaining is the time until the deadline.
func remaining(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return time.Hour
}

// judge says what an outcome says of the host, and not of the question or of the asker.
func judge(class wire.Class, given time.Duration, slow verdict) verdict {
	switch class {
	case wire.ClassCancelled:
		return hostUnknown
	case wire.ClassTimeout:
		if given < shortTime {
			return hostUnknown
		}
		return slow
	case wire.ClassRefused, wire.ClassUnreachable, wire.ClassTLS, wire.ClassUnauthorised:
		return hostFails
	}
	return hostAnswers // also with an error of its own
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(failure(err).Message), " ")
}

// verify refuses what is no answer to the question: then nothing of it is used.
func verify(q *wire.Query, r *wire.Request, result *wire.Result) error {
	if !q.Series && r.NumResults > 0 && int64(len(result.Rows)) > r.NumResults {
		return lies("it gives %d rows, more than the %d that were asked for", len(result.Rows), r.NumResults)
	}
	hits := result.Summary.Hits
	if hits.Displayed < 0 || hits.Total < 0 {
		return lies("it counts %d of %d hits", hits.Displayed, hits.Total)
	}
	if len(result.Rows) == 0 {
		return nil
	}
	if want := q.Echo().Attributes; !slices.Equal(want, result.Query.Attributes) {
		return lies("it answers another question: asked for %s, it gives %s", listed(want), listed(result.Query.Attributes))
	}
	if r.Actors == nil && (r.Condition == "") != (result.Query.Condition == "") {
		return lies("it answers another question: asked with the condition %q, it answers with %q", clip(r.Condition), clip(result.Query.Condition))
	}
	return verifyRows(q, result.Rows)
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no attributes"
	}
	return clip(strings.Join(names, ","))
}

// verifyRows refuses rows with attributes that were not asked for: they would make groups of their own.
func verifyRows(q *wire.Query, rows []wire.Row) error {
	sip, dip, dport, proto, verdict, timed := q.Has("sip"), q.Has("dip"), q.Has("dport"), q.Has("proto"), false, q.Has("time")
	for _, c := range q.Columns {
		verdict = verdict || c.Field.Type == flow.TypeVerdict
	}
	for i := range rows {
		a := &rows[i].Attributes
		if !sip && a.Source != (netip.Addr{}) || !dip && a.Destination != (netip.Addr{}) || !dport && a.DestinationPort != 0 ||
			!proto && a.Protocol != 0 || !verdict && a.Verdict != "" {
			return lies("row %d has attributes that were not asked for", i)
		}
		if t := rows[i].Labels.Timestamp; timed && !t.IsZero() && (t.Unix() < 0 || t.Unix() > wire.EndOfTime) {
			return lies("row %d is of the year %d", i, t.Year())
		}
	}
	return nil
}

// Bounds on what is said about a clock.
const (
	clockTolerance = 2 * time.Second // nobody minds
	clockFault     = time.Minute     // intervals are no longer those of others
)

// skew is by how much a host's clock is ahead of ours: it says when it began and how long it took, and that lay
// somewhere between our question and its answer. What the way there and back could explain is no skew.
func skew(result *wire.Result, sent, received time.Time) time.Duration {
	t := result.Summary.Timings
	if t.QueryStart.IsZero() || received.Before(sent) {
		return 0
	}
	onTheWay := max(received.Sub(sent)-max(t.Duration, 0), 0)
	off := t.QueryStart.Sub(sent.Add(onTheWay / 2))
	if off.Abs() <= onTheWay/2+clockTolerance {
		return 0
	}
	return off
}

// describe notes what an answer says of its host: coverage and clock. For a gateway its hosts have that already.
func describe(result *wire.Result, sent, received time.Time) {
	if result.Hostname == "" && len(result.HostsStatuses) > 0 {
		return
	}
	off := skew(result, sent, received)
	complete := func(s wire.Status) wire.Status {
		if sum := &result.Summary; sum.DataAvailable {
			s.First, s.Last = sum.TimeFirst.UTC(), sum.TimeLast.UTC()
		}
		s.ClockSkewNanoseconds = off.Nanoseconds()
		if off.Abs() > clockFault {
			s.Class = wire.ClassClock
			direction := map[bool]string{true: "ahead of", false: "behind"}[off > 0]
			s.Message = strings.TrimPrefix(s.Message+fmt.Sprintf("; its clock is %v %s the asker's: its times are not those of others", off.Abs().Round(time.Second), direction), "; ")
			if s.State == wire.StateOK {
				s.State = wire.StatePartial
			}
		}
		return s
	}
	result.Status = complete(result.Status)
	statuses := make(map[string]wire.Status, len(result.HostsStatuses))
	for name, s := range result.HostsStatuses {
		statuses[name] = complete(s)
		if s.HostID != "" && len(result.HostsStatuses) == 1 {
			result.Status.HostID = s.HostID
		}
	}
	result.HostsStatuses = statuses
}

// twice refuses the answer of a host that is part of the answer under another name already: its rows would count twice.
// It may be called for the same host again.
func (r *run) twice(i int, result *wire.Result) error {
	if r.ids == nil {
		r.ids = make(map[string]owner)
	}
	own := result.Hostname != "" || len(result.HostsStatuses) == 0
	found := make(map[string]owner)
	for _, inner := range slices.Sorted(maps.Keys(result.HostsStatuses)) {
		s := result.HostsStatuses[inner]
		if s.HostID == "" || s.Code == wire.CodeError {
			continue
		}
		name := r.hosts[i].Name
		if !own {
			name += "/" + inner
		}
		if other, known := r.ids[s.HostID]; known && other.host != i {
			return &duplicate{id: s.HostID, other: other.name, name: name}
		}
		found[s.HostID] = owner{i, name}
	}
	for id, o := range found {
		r.ids[id] = o
	}
	return nil
}

// owner is whose an identity is.
type owner struct {
	host int
	name string
}
