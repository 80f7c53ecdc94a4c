package wire

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
)

// Defaults of a request and bounds on its texts.
const (
	DefaultLimit    = 1000
	DefaultSpan     = 30 * 24 * time.Hour
	defaultLookup   = time.Second // of names, before and after a query
	maxLookup       = 30 * time.Second
	maxQueryText    = 4 << 10 // bytes of a list of attributes
	maxVersionText  = 128
	autoBins        = 288 // time_resolution "auto": at most that many bins
	autoGranularity = 5 * time.Minute
)

// Lookup finds the addresses of a host name.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// Prepare checks the whole request and completes it. The error is a *Problem with status 422 that lists all faults,
// at locations such as "body.condition". Times without a zone are read in the zone of now. A condition that names
// hosts is a fault: see PrepareResolving.
func (r *Request) Prepare(now time.Time) (*Query, error) {
	return r.PrepareResolving(context.Background(), now, nil)
}

// PrepareResolving is Prepare for whoever the user talks to: host names in the condition are looked up, all within
// the request's dns_resolution.timeout (default 1 s), and the Query's Request carries the addresses instead.
func (r *Request) PrepareResolving(ctx context.Context, now time.Time, lookup Lookup) (*Query, error) {
	return r.PrepareWith(ctx, now, Names{Lookup: lookup})
}

// Names finds what a request refers to by name. Without a function, such a name is a fault.
type Names struct {
	Lookup Lookup
	// List finds a list of addresses, "@NAME" in a condition. It may be called for a name more than once.
	List func(name string) (filter.Set, error)
}

// ListElsewhere is a Names.List for a query that somebody else evaluates, who has the lists: every name is known, and
// no address is in any.
func ListElsewhere(string) (filter.Set, error) { return nowhere{}, nil }

type nowhere struct{}

func (nowhere) Contains(netip.Addr) bool { return false }

// PrepareWith is Prepare with all that a request can refer to. Host names are looked up as by PrepareResolving; the
// Query's Request goes on to show lists by name, and its actors as they were given.
func (r *Request) PrepareWith(ctx context.Context, now time.Time, names Names) (*Query, error) {
	c := checker{request: r, now: now, names: names}
	request := *r
	q := &Query{
		Live: r.Live, Merge: r.Merge, Series: r.Series, Other: r.Other, Explain: r.Explain, Seen: r.Seen,
		Direction: direction(r), Ascending: r.SortAscending, Request: &request,
	}
	c.columns(q)
	c.format()
	c.sorting(q)
	c.interfaces(q)
	c.span(q)
	c.compare(q)
	c.resolution(q)
	c.numbers(q)
	c.rounds(q)
	c.seen(q)
	c.condition(ctx, q)
	if len(c.faults) > 0 {
		return nil, NewProblem(http.StatusUnprocessableEntity, "the query is not valid", c.faults...)
	}
	return q, nil
}

// checker collects the faults of one request.
type checker struct {
	request *Request
	now     time.Time
	names   Names
	faults  []Fault
}

// faulty says that something is known to be wrong with a member, so that what follows from it is not worth saying.
func (c *checker) faulty(location string) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool { return f.Location == "body."+location })
}

func (c *checker) fault(location string, value any, format string, arguments ...any) {
	c.faults = append(c.faults, Fault{Message: fmt.Sprintf(format, arguments...), Location: "body." + location, Value: clip(value)})
}

// clip bounds a value that is repeated in an error.
func clip(value any) any {
	if s, ok := value.(string); ok && len(s) > 256 {
		return strings.ToValidUTF8(s[:256], "") + "…"
	}
	return value
}

func direction(r *Request) Direction {
	switch {
	case r.Sum:
		return DirectionSum
	case r.In && !r.Out:
		return DirectionIn
	case r.Out && !r.In:
		return DirectionOut
	}
	return DirectionBoth
}

func (c *checker) columns(q *Query) {
	columns, faults := parseColumns(c.request.Query)
	for i := range faults {
		faults[i].Location, faults[i].Value = "body.query", clip(c.request.Query)
	}
	c.faults = append(c.faults, faults...)
	q.Columns = columns
}

func (c *checker) format() {
	switch c.request.Format {
	case "", "json", "csv", "txt":
	default:
		c.fault("format", c.request.Format, "unknown format %q: expected json, csv or txt (answers are always json)", c.request.Format)
	}
}

func (c *checker) sorting(q *Query) {
	switch key := SortKey(c.request.SortBy); key {
	case "":
		q.SortBy = SortBytes
	case SortBytes, SortPackets, SortTime:
		q.SortBy = key
	default:
		c.fault("sort_by", c.request.SortBy, "unknown sort key %q: expected bytes, packets or time%s", c.request.SortBy,
			hint(c.request.SortBy, []string{"bytes", "packets", "time"}))
	}
	switch {
	case q.Series && q.SortBy == SortTime:
		q.SortBy = SortBytes // what else could rank groups that have no time?
	case !q.Series && q.Has("time"):
		q.SortBy = SortTime
	}
	if q.Series && len(q.Columns) > 0 && !q.Has("time") {
		c.fault("series", true, "a series needs time among the attributes of the query: for example time,%s", c.request.Query)
	}
}

// hint says which of the known words was probably meant.
func hint(word string, known []string) string {
	if nearest, ok := flow.Nearest(strings.ToLower(word), known); ok {
		return fmt.Sprintf("; did you mean %q?", nearest)
	}
	return ""
}

func (c *checker) interfaces(q *Query) {
	selection, err := ParseInterfaces(c.request.Ifaces)
	if err != nil {
		c.fault("ifaces", c.request.Ifaces, "%v", err)
	}
	q.Interfaces = selection
}

func (c *checker) span(q *Query) {
	first, last := c.now.Add(-DefaultSpan), time.Unix(EndOfTime, 0)
	ok := true
	read := func(location, text string, into *time.Time) {
		if strings.TrimSpace(text) == "" {
			return
		}
		t, err := ParseTime(text, c.now)
		if err != nil {
			c.fault(location, text, "%v", err)
			ok = false
			return
		}
		*into = t
	}
	read("first", c.request.First, &first)
	read("last", c.request.Last, &last)
	if ok && first.After(last) {
		c.fault("first", c.request.First, "the span ends before it starts: first is %s, last is %s",
			first.Format(time.RFC3339), last.Format(time.RFC3339))
	}
	// Both are bounds on whole seconds: round towards the inside.
	q.First, q.Last = first.Unix(), last.Unix()
	if first.Nanosecond() > 0 {
		q.First++
	}
	q.First, q.Last = min(max(q.First, 0), EndOfTime), min(q.Last, EndOfTime)
}

func (c *checker) resolution(q *Query) {
	text := strings.TrimSpace(c.request.TimeResolution)
	var size time.Duration
	switch text {
	case "":
		return
	case "auto":
		span := max(min(q.Last, c.now.Unix())-q.First, 0)
		bin := span / autoBins
		step := int64(autoGranularity / time.Second)
		size = time.Duration(max((bin+step-1)/step, 1)*step) * time.Second
	default:
		d, err := parseSpan(text)
		if err != nil || d <= 0 || d%time.Second != 0 || d > maxSpan {
			c.fault("time_resolution", text, "invalid time resolution %q: expected auto or a duration in whole seconds, such as 5m, 1h or 1d", text)
			return
		}
		size = d
	}
	if q.Has("time") { // goQuery sends it with every query
		q.Resolution = size
	}
}

func (c *checker) seen(q *Query) {
	if q.Seen && q.Has("time") {
		c.fault("seen", true, "rows by time say when they were counted: leave time out of the query, or seen")
	}
}

func (c *checker) numbers(q *Query) {
	r := c.request
	q.Limit, q.KeepAlive = r.NumResults, r.KeepAlive
	if r.NumResults == 0 {
		q.Limit = DefaultLimit
	}
	if r.NumResults < 0 {
		c.fault("num_results", r.NumResults, "the number of results must be at least 1")
	}
	if r.MaxMemPct < 0 || r.MaxMemPct > 100 {
		c.fault("max_mem_pct", r.MaxMemPct, "the share of memory must be between 1 and 100 percent")
	}
	if len(r.IfVersion) > maxVersionText {
		c.fault("if_version", r.IfVersion, "the version has more than %d bytes: expected the summary.data_version of an earlier answer", maxVersionText)
	}
	if r.KeepAlive < 0 {
		c.fault("keepalive", r.KeepAlive, "the keepalive interval, in nanoseconds, must not be negative")
	}
	if dns := r.DNSResolution; dns != nil {
		if dns.Timeout < 0 || dns.Timeout > maxLookup {
			c.fault("dns_resolution.timeout", dns.Timeout, "the timeout, in nanoseconds, must be between 0 and %v", maxLookup)
		}
		if dns.MaxRows < 0 {
			c.fault("dns_resolution.max_rows", dns.MaxRows, "the number of rows must not be negative")
		}
	}
}

// maxSpan bounds durations, so that sums of them stay within the type.
const maxSpan = time.Duration(math.MaxInt64 / 2)
