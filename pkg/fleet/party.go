package fleet

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/wire"
)

// Abler is a Client that knows what its server can do. Of one that is none, or cannot say, every group is asked for at
// once, and no extension of the contract.
type Abler interface {
	Abilities(ctx context.Context) (wire.Abilities, error)
}

// Abilities are what a fleet can be asked for, whatever its hosts can do.
func Abilities() wire.Abilities {
	return wire.Abilities{Features: []string{wire.FeatureThreshold, wire.FeatureGroups, wire.FeatureDedupe, wire.FeatureLabels}}
}

// party is a host within a query.
type party struct {
	labels    map[string]string // of the inventory, those that the query groups by
	condition string            // what is left of the query's once the labels are known
	failed    bool              // it is not asked again
	able      wire.Abilities
	known     bool // able is
}

// meet finds what each host is asked, and which ones are not, because their labels make the condition false.
func (r *run) meet() error {
	condition, err := filter.Parse(r.query.Request.Condition)
	if err != nil {
		return wire.NewProblem(http.StatusUnprocessableEntity, "the query is not valid", wire.Fault{Location: "body.condition", Message: err.Error()})
	}
	r.parties = make([]party, len(r.hosts))
	r.far.Hosts = len(r.hosts)
	for i := range r.hosts {
		m, labels := &r.parties[i], r.hosts[i].Labels
		m.condition = r.query.Request.Condition
		rest, holds := condition.Given(labels)
		if !holds {
			m.failed = true
			r.far.HostsDone++
			r.outcomes[i] = outcome{asked: true, status: wire.Status{Code: wire.CodeEmpty, State: wire.StateSkipped, Class: wire.ClassLabel,
				Message: "its labels are not those of the condition"}}
			continue
		}
		if rest != condition {
			m.condition = rest.String()
		}
		for _, name := range r.query.LabelNames() {
			if value, known := labels[name]; known {
				if m.labels == nil {
					m.labels = make(map[string]string)
				}
				m.labels[name] = value
			}
		}
	}
	return nil
}

// several says whether more than one host is asked; where it is, hosts are not asked for terms on sums.
func (r *run) several() bool {
	if len(r.open()) < 2 {
		return false
	}
	if r.query.Matcher.HasGroup() {
		for i := range r.parties {
			if condition, err := filter.Parse(r.parties[i].condition); err == nil {
				r.parties[i].condition = condition.RowTerms().String()
			}
		}
	}
	return true
}

// open are the hosts that can be asked.
func (r *run) open() (list []int) {
	for i := range r.parties {
		if !r.parties[i].failed {
			list = append(list, i)
		}
	}
	return list
}

// columns are what the host groups by: without the labels that the inventory gives it, which are the same for all its
// rows.
func (m *party) columns(q *wire.Query) string {
	var names []string
	for _, c := range q.Columns {
		if _, known := m.labels[c.Label]; !known || c.Label == "" {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return "host" // something has to be asked for; it is summed up here
	}
	return strings.Join(names, ",")
}

// groups are the groups as a host knows them: by the labels that it gives its rows itself. Where none can be its, it is
// asked for all, which the merger drops.
func (m *party) groups(h Host, groups []wire.Group) []wire.Group {
	if len(m.labels) == 0 && (h.Gateway || !slices.ContainsFunc(groups, func(g wire.Group) bool { return g.Labels.Host != "" || g.Labels.HostID != "" })) {
		return groups
	}
	own, all := make([]wire.Group, 0, len(groups)), make([]wire.Group, 0, len(groups))
	for _, g := range groups {
		l := &g.Labels
		belongs := h.Gateway || l.Host == "" || l.Host == h.Name
		if !h.Gateway {
			l.Host, l.HostID = "", "" // the inventory's name is not the host's
		}
		if len(m.labels) > 0 {
			labels := maps.Collect(l.HostLabels.All)
			for name, value := range m.labels {
				belongs = belongs && (l.HostLabels == "" || labels[name] == value)
				delete(labels, name)
			}
			l.HostLabels = wire.HostLabelsFrom(labels)
		}
		if all = append(all, g); belongs {
			own = append(own, g)
		}
	}
	if len(own) == 0 {
		own = all
	}
	return distinct(own)
}

// distinct keeps the first of equal groups.
func distinct(groups []wire.Group) []wire.Group {
	known := make(map[wire.Group]bool, len(groups))
	return slices.DeleteFunc(groups, func(g wire.Group) bool {
		if known[g] {
			return true
		}
		known[g] = true
		return false
	})
}

// abilities are what a host can do, remembered for as long as its catalog. Whoever cannot say so could not answer a
// query either.
func (r *run) abilities(ctx context.Context, i int) (able wire.Abilities, err error) {
	m, h, f := &r.parties[i], r.hosts[i], r.fleet
	abler, ok := h.state.client.(Abler)
	if m.known || !ok {
		return m.able, nil
	}
	if able, ok = h.state.abilities(f.now(), f.cfg.CatalogAge); !ok {
		if err := f.guarded(ctx, h, func(ctx context.Context) (err error) {
			able, err = abler.Abilities(ctx)
			return err
		}); err != nil {
			return able, err
		}
		h.state.setAbilities(able, f.now())
	}
	m.able, m.known = able, true
	return able, nil
}

func (s *state) abilities(now time.Time, age time.Duration) (wire.Abilities, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.able, !s.ableAt.IsZero() && now.Sub(s.ableAt) < age
}

func (s *state) setAbilities(able wire.Abilities, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.able, s.ableAt = able, now
}

// align finds time bins that all hosts can fill, where groups span hosts whose intervals are not equally long.
func (r *run) align(ctx context.Context) error {
	if !r.spanning || !r.query.Has("time") {
		return nil
	}
	r.ask(ctx, r.open(), func(ctx context.Context, i int) (*wire.Result, error) {
		_, err := r.abilities(ctx, i)
		return nil, err
	}, nil)
	common, least := time.Duration(0), time.Duration(0)
	for i := range r.parties {
		d := r.parties[i].able.Interval
		switch {
		case d < time.Second || d%time.Second != 0:
			continue
		case common == 0:
			common, least = d, d
			continue
		}
		common, least = multiple(common, d), min(least, d)
	}
	if common == least {
		return nil
	}
	q := *r.query
	q.Resolution = max((q.Resolution+common-1)/common, 1) * common
	r.query = &q
	return nil
}

// maxCommon bounds the length of bins that are chosen for intervals that do not go together.
const maxCommon = 24 * time.Hour

// multiple is the least common multiple of two lengths, the longer one where it is out of all proportion.
func multiple(a, b time.Duration) time.Duration {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	if common := a / x * b; common > 0 && common <= maxCommon {
		return common
	}
	return max(a, b)
}

// ask does work with some hosts, as many at once as allowed, and books what comes of it; take, which may be nil, gets
// the results, one at a time. A host that fails is not asked again. It hands out partial results.
func (r *run) ask(ctx context.Context, which []int, work func(ctx context.Context, i int) (*wire.Result, error), take func(i int, result *wire.Result)) {
	hosts := make([]Host, len(which))
	for k, i := range which {
		hosts[k] = r.hosts[i]
	}
	results := make([]*wire.Result, len(which))
	took := make([]time.Duration, len(which))
	r.fleet.each(ctx, hosts, func(ctx context.Context, k int) (err error) {
		start := r.fleet.now()
		results[k], err = work(ctx, which[k])
		took[k] = r.fleet.now().Sub(start)
		return err
	}, func(k int, err error) {
		i := which[k]
		if err == nil && results[k] != nil {
			err = r.twice(i, results[k])
		}
		if r.book(i, results[k], err, took[k]); err == nil && take != nil {
			take(i, results[k])
		}
		results[k] = nil
		if r.progress != nil && take != nil && r.fleet.now().Sub(r.shown) >= r.fleet.cfg.ProgressEvery {
			r.shown = r.fleet.now()
			r.progress(r.partial())
		}
	})
}

// partial is the answer so far.
func (r *run) partial() *wire.Result {
	result := r.result()
	if r.hidden {
		result.Rows, result.Summary.Hits.Displayed = []wire.Row{}, 0
	}
	return result
}

// book notes what became of one question to a host.
func (r *run) book(i int, result *wire.Result, err error, took time.Duration) {
	o, m := &r.outcomes[i], &r.parties[i]
	if err != nil {
		m.failed = true
	}
	answered := o.asked
	if !answered && (err != nil || result != nil) {
		o.asked = true
		r.far.HostsDone++
	}
	defer func() { o.status.DurationNanoseconds += took.Nanoseconds() }()
	switch {
	case err != nil && answered:
		r.lapse(o, err)
		return
	case err != nil:
		o.status = failure(err)
		return
	case result == nil:
		return
	}
	r.far.Rows += int64(len(result.Rows))
	r.far.Bytes += result.Summary.Stats.BytesLoaded
	own := result.Hostname != "" || len(result.HostsStatuses) == 0
	for j := range result.Rows {
		l := &result.Rows[j].Labels
		if own {
			l.Host = r.hosts[i].Name
		}
		if m.labels != nil {
			l.HostLabels = l.HostLabels.With(m.labels)
		}
	}
	if answered {
		o.status.Rows += int64(len(result.Rows))
		o.status.BytesScanned += single(result).BytesScanned
		return
	}
	if own {
		spent := o.status.DurationNanoseconds
		o.status = single(result)
		o.status.DurationNanoseconds = spent
	} else {
		o.statuses = result.HostsStatuses
	}
	o.status.Rows = int64(len(result.Rows))
}

// lapse is what is said of a host that answered once, but not when it was asked for more.
func (r *run) lapse(o *outcome, err error) {
	s := failure(err)
	text := "answered at first, but not when it was asked for more: " + s.Message
	set := func(into *wire.Status) {
		if into.State != wire.StateError && into.State != wire.StateTimeout {
			into.State, into.Class, into.Message = wire.StatePartial, s.Class, text
		}
	}
	set(&o.status)
	for name, inner := range o.statuses {
		set(&inner)
		o.statuses[name] = inner
	}
}

// askHost asks one host what was made of a query.
func (r *run) askHost(ctx context.Context, i int, q *wire.Query, request *wire.Request) (*wire.Result, error) {
	return r.fleet.ask(ctx, r.hosts[i], q, request)
}
