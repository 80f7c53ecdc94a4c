package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/reports"
)

// scope is where, when and about what a report is.
func (q *question) scope(s span) reports.Scope {
	return reports.Scope{
		Ifaces: q.query.Ifaces, Hosts: q.query.Hosts, Condition: q.query.Condition,
		First: s.first.UTC().Format(time.RFC3339), Last: s.last.UTC().Format(time.RFC3339),
		Live: s.live, Names: q.source.names(), Now: q.source.now(),
	}
}

// reported completes an answer: the report's own words are what a viewer has to know first.
func (q *question) reported(a *answer, text string, truncated *reports.Truncation, coverage reports.Coverage, words ...string) {
	a.remarks = append(a.remarks, text)
	if coverage.Text != "" && !strings.Contains(text, coverage.Text) {
		a.remarks = append(a.remarks, coverage.Text)
	}
	if truncated != nil {
		a.remarks = append(a.remarks, truncated.Text)
	}
	a.remarks = append(a.remarks, words...)
	a.covered = true
}

// path answers who saw what between two ends.
func (q *question) path(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.span(); err != nil {
		return nil, err
	}
	found, err := reports.Path(ctx, inTurn{q.joint()}, reports.PathQuestion{Scope: q.scope(a.span), A: q.query.A, B: q.query.B})
	if err != nil {
		return nil, err
	}
	a.result, a.frames = found.Result, frames.Path{Links: q.links(), Limit: int(q.query.Limit)}.Frames(found)
	a.command = q.asReport(a.span)
	q.reported(a, found.Text, found.Truncated, found.Coverage, firstFew(found.OneSided)...)
	return a, nil
}

// asymmetry answers with the pairs of addresses whose directions went different ways.
func (q *question) asymmetry(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.span(); err != nil {
		return nil, err
	}
	found, err := reports.Asymmetry(ctx, inTurn{q.joint()}, reports.AsymmetryQuestion{Scope: q.scope(a.span), Pairs: int(q.query.Limit)})
	if err != nil {
		return nil, err
	}
	a.result, a.frames = found.Result, frames.Asymmetry{Links: q.links(), Names: q.namesOf(ctx, endsOf(found))}.Frames(found)
	a.command = q.asReport(a.span)
	q.reported(a, found.Text, found.Truncated, found.Coverage)
	return a, nil
}

// firstFew bounds sentences that all say much the same.
func firstFew(sentences []string) []string {
	const few = 3
	if len(sentences) <= few {
		return sentences
	}
	return append(append([]string{}, sentences[:few]...), fmt.Sprintf("%d more one-sided views", len(sentences)-few))
}

// reportVerb is the command of a report with its arguments; empty for other queries.
func (q *question) reportVerb() (verb string, arguments []string) {
	switch q.query.QueryType {
	case typePath:
		return "path", []string{q.query.A, q.query.B}
	case typeAsymmetry:
		return "asymmetry", nil
	case typeActors:
		if _, name, _ := parseActors(q.query.Actors); name != "" {
			return "actors hits", []string{"@" + name}
		}
		return "actors hits", []string{"-"}
	}
	return "", nil
}

// asReport is the command line that gives the same report; addresses that were typed are its input.
func (q *question) asReport(s span) string {
	verb, arguments := q.reportVerb()
	line := q.reportCommand(s, verb, arguments...)
	if len(arguments) != 1 || arguments[0] != "-" {
		return line
	}
	list, _, err := parseActors(q.query.Actors)
	if err != nil {
		return line
	}
	words := []string{"printf", `'%s\n'`}
	for _, entry := range strings.Fields(string(list.Text())) {
		words = append(words, queryargs.Quote(entry))
	}
	return strings.Join(words, " ") + " | " + line
}

// reportCommand is the command line of a report.
func (q *question) reportCommand(s span, verb string, arguments ...string) string {
	words := append([]string{"weir"}, strings.Fields(verb)...)
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, queryargs.Quote(value))
		}
	}
	for _, server := range q.options().Servers {
		add("--server", server)
	}
	add("-i", q.query.Ifaces)
	add("-c", q.query.Condition)
	if !s.last.IsZero() {
		add("-f", s.first.UTC().Format(time.RFC3339))
		add("-l", s.last.UTC().Format(time.RFC3339))
	}
	add("-q", q.query.Hosts)
	if s.live {
		words = append(words, "--live")
	}
	if q.query.QueryType != typePath {
		words = append(words, "-n", strconv.FormatInt(q.query.Limit, 10))
	}
	for _, word := range arguments {
		words = append(words, queryargs.Quote(word))
	}
	return strings.Join(words, " ")
}

// actors answers what the addresses of a list did.
func (q *question) actors(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.span(); err != nil {
		return nil, err
	}
	about := reports.ActorsQuestion{Scope: q.scope(a.span), Actors: int(q.query.Limit)}
	if about.List, about.ListName, err = parseActors(q.query.Actors); err != nil {
		return nil, asked(err)
	}
	found, err := reports.Actors(ctx, inTurn{q.joint()}, about)
	if err != nil {
		return nil, err
	}
	a.result, a.frames = found.Result, frames.Actors{Links: q.links(), Names: q.namesOf(ctx, seenOf(found))}.Frames(found)
	a.command = q.asReport(a.span)
	q.reported(a, found.Text, found.Truncated, found.Coverage)
	if found.Health != nil && found.Health.FaultCount > 0 {
		a.remarks = append(a.remarks, fmt.Sprintf("%d of the addresses could not be read, such as %q", found.Health.FaultCount, found.Health.Faults[0].Text))
	}
	return a, nil
}

// seenOf are the actors that are single addresses.
func seenOf(found *reports.ActorsAnswer) []netip.Addr {
	var list []netip.Addr
	for _, h := range found.Actors {
		if h.Prefix.IsSingleIP() {
			list = append(list, h.Prefix.Addr())
		}
	}
	return list
}

// endsOf are the addresses of the pairs.
func endsOf(found *reports.AsymmetryAnswer) []netip.Addr {
	var list []netip.Addr
	for _, p := range found.Pairs {
		list = append(list, p.Source, p.Destination)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// maximumActors bounds the addresses that are typed into a query; longer lists belong to the servers.
const maximumActors = 10_000

// parseActors reads what a query says of actors: the name of a list, with or without @, or addresses and networks.
func parseActors(text string) (list *actors.List, name string, err error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
	if len(words) > maximumActors {
		return nil, "", fmt.Errorf("actors: %d addresses, at most %d are taken here; make a list of them at the servers and name it, as in @blocklist", len(words), maximumActors)
	}
	for _, word := range words {
		if named, ok := strings.CutPrefix(word, "@"); ok && len(words) == 1 {
			return nil, named, nil
		} else if ok {
			return nil, "", fmt.Errorf("actors: %s is a list; name one list, or write addresses", word)
		}
	}
	list, err = actors.Parse([]byte(strings.Join(words, "\n")), "plain")
	if errors.Is(err, actors.ErrEmpty) && len(words) == 1 && filter.TouchingList(words[0]) != nil {
		return nil, words[0], nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("actors: %w", err)
	}
	return list, "", nil
}

// uploader takes a list of addresses; *client.Client is one.
type uploader interface {
	Upload(ctx context.Context, list *actors.List) error
}

// Upload gives every server a list. One that does not take it fails in the query that names the list, with its reason.
func (q joint) Upload(ctx context.Context, list *actors.List) error {
	var wait sync.WaitGroup
	for _, s := range q.servers {
		if u, ok := s.client.(uploader); ok {
			wait.Go(func() { _ = u.Upload(ctx, list) })
		}
	}
	wait.Wait()
	return ctx.Err()
}
