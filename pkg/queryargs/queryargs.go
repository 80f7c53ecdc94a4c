// Package queryargs turns a command line into a request and a request into the command line that asks the same. The
// command line reads its flags with Flags; the plugin shows Command as the executed query.
//
// Invariants: reading what Command printed gives back the request, as far as it decides about the answer, and the
// place to ask (see Command for what is left out). What is printed is one line, safe to paste into a shell whatever
// the request holds.
//
// Neighbours: wire has the request and checks it; nothing here judges values, so that faults are found once, together.
package queryargs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// What the command line assumes where goQuery's does, other than the servers themselves.
const (
	defaultBin  = "5m" // --resolution of queries with time
	noBin       = "none"
	defaultDay  = "-1d" // --first of queries with time
	defaultSpan = "-30d"
)

// Options is the part of a command line that is not about the question but about where to ask it.
type Options struct {
	// Servers are the addresses of the servers to ask.
	Servers []string
	// Directory is that of a local store; not together with Servers.
	Directory string
}

// Flags are the flags of a query. The zero value is ready for Register.
type Flags struct {
	Options
	// Stored is a request in JSON (goQuery's stored queries), whose members win over flags and argument; nil: none.
	Stored     []byte
	request    wire.Request
	resolution string
	actors     string
	dns        wire.DNSResolution
	live       bool
	set        *pflag.FlagSet
}

// Register defines the flags in set, which must outlive f.
func (f *Flags) Register(set *pflag.FlagSet) {
	r := &f.request
	f.set = set
	set.SetNormalizeFunc(normalize)
	set.SortFlags = false
	set.StringVarP(&f.Directory, "db", "d", "", "read the store in `DIR`")
	set.StringArrayVar(&f.Servers, "server", nil, "ask the server at `ADDR`: host:8145, https://host:8145, unix:/path; repeat it to ask several, also as NAME=ADDR")
	set.StringVarP(&r.Ifaces, "ifaces", "i", "", "`IFACES`: any, eth0,eth1, any,!lo or /regular expression/ (required)")
	set.StringVarP(&r.Condition, "condition", "c", "", "flows for which `COND` holds, such as \"dport = 443 and sip = 10.0.0.0/8\"")
	set.StringVarP(&r.First, "first", "f", "", "first interval that ends at `TIME` or later: -1h, -7d, \"2026-11-20 05:00\", Unix seconds (default 30 days ago, 1 day with time)")
	set.StringVarP(&r.Last, "last", "l", "", "last interval that ends at `TIME` or earlier (default now)")
	set.Int64VarP(&r.NumResults, "limit", "n", wire.DefaultLimit, "at most `N` rows, with --series groups")
	set.StringVarP(&r.SortBy, "sort", "s", "bytes", "sort by `KEY`: bytes, packets or time")
	set.BoolVarP(&r.SortAscending, "ascending", "a", false, "smallest first")
	set.BoolVar(&r.In, "in", false, "look at received traffic")
	set.BoolVar(&r.Out, "out", false, "look at sent traffic")
	set.BoolVar(&r.Sum, "sum", false, "add up received and sent traffic")
	set.StringVar(&f.resolution, "resolution", defaultBin, "`LENGTH` of time bins: 5m, 1h, auto, or none for one bin per interval; with time")
	set.BoolVar(&r.Merge, "merge", false, "group only by the attributes named, across interfaces and hosts")
	set.BoolVar(&r.Series, "series", false, "with time: the top groups over the whole span, each with all its bins")
	set.BoolVar(&r.Other, "other", false, "show the sum of what the limit cuts off")
	set.StringVar(&r.Compare, "compare", "", "show what each row was in the same span so much earlier: `SPAN` is 1h, 1d, 1w, or previous")
	set.StringVar(&f.actors, "actors", "", "flows to or from an address of `SET`: @NAME of a list, or addresses and networks, by commas")
	set.BoolVar(&r.Explain, "explain", false, "show how the answer was found")
	set.StringVar(&r.Dedupe, "dedupe", "", "`HOW` rows of several hosts are joined where they are merged: sum, or max where hosts saw the same flows")
	set.BoolVar(&r.Seen, "seen", false, "show when each row was counted first and last; without time")
	set.BoolVar(&r.Enrich, "enrich", false, "show country and network operator of addresses, which the server has to know")
	set.BoolVar(&f.live, "live", false, "include the interval that is being counted (default with a server unless --last is given)")
	set.StringVarP(&r.QueryHosts, "hosts", "q", "", "`HOSTS` to ask: any, names, globs (fra-*), @groups and labels (site=fra|zrh, company!=acme), by commas")
	set.StringVar(&r.QueryHostsResolverType, "hosts-resolver", "", "`TYPE` of --hosts that the gateway knows: string, static, …")
	set.BoolVarP(&f.dns.Enabled, "names", "r", false, "look up the names of the addresses in the first rows (reverse DNS)")
	set.IntVar(&f.dns.MaxRows, "names-rows", wire.DefaultNamedRows, "with --names: of the first `N` rows")
	set.DurationVar(&f.dns.Timeout, "lookup-timeout", time.Second, "`TIME` for looking up host names in the condition, and names of addresses")
	set.DurationVarP(&r.KeepAlive, "keepalive", "k", 0, "ask for a sign of life at least every `TIME`, with --streaming")
	set.IntVar(&r.MaxMemPct, "max-mem-pct", 0, "share of memory in `PERCENT`; goProbe servers heed it, ours have their own bounds")
	set.BoolVar(&r.LowMem, "low-mem", false, "ask goProbe servers to save memory")
}

// aliases are goQuery's names of the flags.
var aliases = map[string]string{
	"db.path": "db", "query.server.addr": "server", "results.limit": "limit", "sort.by": "sort", "sort.ascending": "ascending",
	"results.format": "format", "query.time-resolution": "resolution", "query.hosts-resolution": "hosts",
	"query.hosts-resolver-type": "hosts-resolver", "query.timeout": "timeout", "dns-resolution.timeout": "lookup-timeout",
	"dns-resolution.enabled": "names", "dns-resolution.max-rows": "names-rows", "query.keepalive": "keepalive",
	"query.streaming": "streaming", "query.stats": "stats", "query.log": "query-log", "memory.max-pct": "max-mem-pct", "memory.low-mode": "low-mem",
}

func normalize(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if own, ok := aliases[name]; ok {
		name = own
	}
	return pflag.NormalizedName(name)
}

// Names lists the names that a flag of the set can be called by, goQuery's included.
func Names(set *pflag.FlagSet) []string {
	var names []string
	set.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	for alias, own := range aliases {
		if set.Lookup(own) != nil {
			names = append(names, alias)
		}
	}
	return names
}

// Request is what the parsed flags, the argument with the attributes and the stored query ask. Remote says that a
// server is asked, which has a current interval. Values are not checked: Request.Prepare does.
func (f *Flags) Request(attributes string, remote bool) (*wire.Request, error) {
	r := f.request
	r.Query = attributes
	if !f.set.Changed("limit") {
		r.NumResults = 0
	} else if r.NumResults == 0 {
		return nil, errors.New("--limit 0: must be at least 1")
	}
	if !f.set.Changed("sort") {
		r.SortBy = ""
	}
	if f.set.Changed("lookup-timeout") || f.dns.Enabled {
		dns := f.dns
		r.DNSResolution = &dns
		if !f.set.Changed("names-rows") {
			dns.MaxRows = 0
		}
		if !f.set.Changed("lookup-timeout") {
			dns.Timeout = 0
		}
	}
	r.Actors = parseActors(f.actors)
	stored, err := f.over(&r)
	if err != nil {
		return nil, err
	}
	timed := hasTime(r.Query)
	switch {
	case stored["time_resolution"]:
	case f.set.Changed("resolution") && !timed && f.resolution != noBin:
		return nil, fmt.Errorf("--resolution %s: time bins need time among the attributes: time,%s", f.resolution, r.Query)
	case timed && f.resolution != noBin:
		r.TimeResolution = f.resolution
	}
	if timed && blank(r.First) {
		r.First = defaultDay
	}
	switch {
	case stored["live"]:
	case f.set.Changed("live"):
		r.Live = f.live
	default:
		r.Live = remote && untilNow(r.Last)
	}
	return &r, nil
}

// over writes the members of the stored query over the request, and says which they are. Members that there are not
// are refused by name.
func (f *Flags) over(r *wire.Request) (members map[string]bool, err error) {
	if f.Stored == nil {
		return nil, nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(f.Stored, &given); err != nil {
		return nil, fmt.Errorf("the stored query is no JSON object: %w", err)
	}
	members = make(map[string]bool)
	for name, value := range given {
		members[name] = string(value) != "null"
	}
	// What is missing does not matter here, since flags and argument fill it in.
	for name, text := range map[string]string{"query": r.Query, "ifaces": r.Ifaces} {
		if !members[name] {
			given[name], _ = json.Marshal(text) // never fails for a string
		}
	}
	whole, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	if _, err := wire.DecodeRequest(bytes.NewReader(whole), wire.DefaultBodyLimit); err != nil {
		return nil, err
	}
	return members, json.Unmarshal(whole, r)
}

// parseActors reads the value of --actors.
func parseActors(text string) *wire.Actors {
	if blank(text) {
		return nil
	}
	if name, ok := strings.CutPrefix(strings.TrimSpace(text), "@"); ok {
		return &wire.Actors{List: name}
	}
	return &wire.Actors{Set: strings.Split(text, ",")}
}

// printActors is the inverse of parseActors.
func printActors(a *wire.Actors) string {
	switch {
	case a == nil:
		return ""
	case a.List != "":
		return "@" + strings.TrimPrefix(a.List, "@")
	}
	return strings.Join(a.Set, ",")
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// untilNow says that a span with this end has no other end than now.
func untilNow(last string) bool { return blank(last) || strings.TrimSpace(last) == "now" }

// hasTime says whether a list of attributes and shorthands groups by time.
func hasTime(attributes string) bool {
	for name := range strings.SplitSeq(attributes, ",") {
		name = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, name)
		if name == "time" {
			return true
		}
		for _, s := range flow.Shorthands() {
			if s.Name == name && strings.Contains(","+strings.Join(s.Fields, ",")+",", ",time,") {
				return true
			}
		}
	}
	return false
}
