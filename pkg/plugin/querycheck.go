package plugin

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// check refuses what has no meaning, by the name of the member.
func (q *Query) check() error {
	kind, known := lookupType(q.QueryType)
	if !known {
		return unknown("query type", q.QueryType, queryTypes()...)
	}
	if err := q.variables(); err != nil {
		return err
	}
	for _, member := range []struct {
		name, value string
		known       []string
	}{
		{"direction", string(q.Direction), []string{string(wire.DirectionBoth), string(wire.DirectionIn), string(wire.DirectionOut)}},
		{"value", string(q.Value), []string{string(frames.Bytes), string(frames.Packets)}},
		{"unit", q.Unit, []string{unitRate, unitTotal, unitAverage}},
		{"sort", q.Sort, []string{"", "bytes", "packets", "time"}},
		{"dedupe", q.Dedupe, []string{"", "sum", "max"}},
		{"frame", q.Frame, append([]string{"", frameDebug}, kind.frames...)},
	} {
		if !slices.Contains(member.known, member.value) {
			return unknown(member.name, member.value, member.known...)
		}
	}
	if q.Limit < 0 || q.Limit > kind.maximum {
		return fmt.Errorf("limit %d: not within 1 to %d", q.Limit, kind.maximum)
	}
	if err := emptyTerms(q.Hosts, q.Ifaces); err != nil {
		return err
	}
	if _, err := q.Fields(); err != nil {
		return err
	}
	return q.checkSubject()
}

// checkSubject refuses a query that lacks what its type is about.
func (q *Query) checkSubject() error {
	columns, _ := q.Fields()
	timed := slices.ContainsFunc(columns, isTime)
	switch q.QueryType {
	case typeTable:
		switch {
		case len(columns) == 0:
			return errors.New("attributes: choose at least one, such as sip or dport")
		case q.Sort == "time" && !timed:
			return errors.New("sort time: add time to the attributes, or sort by bytes or packets")
		case (q.Sort == "bytes" || q.Sort == "packets") && timed:
			return fmt.Errorf("sort %s: rows with time stand in the order of time; take time out of the attributes, or sort by time", q.Sort)
		case q.Resolution != "" && !timed:
			return errors.New("resolution: only rows with time have one; add time to the attributes, or leave the resolution empty")
		}
	case typeSeries:
		if q.Sort == "time" {
			return errors.New("sort time: series are ranked by bytes or packets")
		}
	case typeGraph:
		if len(columns) != 2 {
			return fmt.Errorf("attributes: a node graph has two, where its edges start and end, such as sip and dip or host and dip; there are %d", len(columns))
		}
	case typePath:
		if q.A == "" || q.B == "" {
			return errors.New("path: write both ends, each an address, a network, a list of them or a host name")
		}
	case typeActors:
		if q.Actors == "" {
			return errors.New("actors: name a list, such as @blocklist, or write addresses and networks")
		}
	case typeVariable:
		return q.checkVariable(columns)
	}
	return nil
}

func unknown(member, value string, known ...string) error {
	known = slices.DeleteFunc(slices.Clone(known), func(name string) bool { return name == "" })
	return fmt.Errorf("%s %q: not one of %s", member, value, strings.Join(known, ", "))
}

// idle are the options that are set and have no effect on a query of this type.
func (q *Query) idle() []string {
	kind, _ := lookupType(q.QueryType)
	var names []string
	for _, option := range []struct {
		name string
		set  bool
	}{
		{"sort", q.Sort != ""}, {"ascending", q.Ascending}, {"resolution", q.Resolution != ""}, {"other", q.Other},
		{"compare", q.Compare != ""}, {"mirror", q.Mirror}, {"resolve", q.Resolve}, {"enrich", q.Enrich}, {"dedupe", q.Dedupe != ""},
	} {
		if option.set && !slices.Contains(kind.options, option.name) {
			names = append(names, option.name)
		}
	}
	return names
}

// Fields looks the attributes up, shorthands expanded and repeated ones dropped. In a time series, time is a matter of
// course and left out.
func (q *Query) Fields() ([]wire.Column, error) {
	var columns []wire.Column
	for _, name := range q.Columns {
		found, err := parseColumn(name)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			known := slices.ContainsFunc(columns, func(have wire.Column) bool { return have.Name == c.Name })
			if !known && (q.QueryType != typeSeries || !isTime(c)) {
				columns = append(columns, c)
			}
		}
	}
	return columns, nil
}

// parseColumn finds the columns of one attribute or shorthand by the wire's own rules.
func parseColumn(name string) ([]wire.Column, error) {
	if name = strings.TrimSpace(name); !strings.HasPrefix(name, "label.") {
		name = strings.ToLower(name)
	}
	if strings.Contains(name, ",") {
		return nil, fmt.Errorf("attribute %q: holds a comma; each attribute is a member of its own", name)
	}
	prepared, err := (&wire.Request{Query: name, Ifaces: "any"}).Prepare(time.Unix(0, 0))
	var problem *wire.Problem
	switch {
	case err == nil:
		return prepared.Columns, nil
	case errors.As(err, &problem) && len(problem.Errors) > 0:
		return nil, fmt.Errorf("attributes: %s", strings.TrimPrefix(problem.Errors[0].Message, "query, column 1: "))
	}
	return nil, err
}

func isAddress(c wire.Column) bool { return c.Field.Type == flow.TypeAddress && c.Prefix == 0 }

func isTime(c wire.Column) bool { return c.Field.Type == flow.TypeTime }

// leftover finds a template variable in any of Grafana's three spellings.
var leftover = regexp.MustCompile(`\$\w+|\$\{[^}]*\}|\[\[[\w:.]+\]\]`)

// variables refuses a query in which a dashboard variable was not replaced, as in alert rules, which have none.
func (q *Query) variables() error {
	texts := []string{q.Condition, q.Hosts, q.Ifaces, q.Resolution, q.Compare, q.A, q.B, q.Actors, q.Label}
	for _, text := range slices.Concat(texts, q.Columns, q.Servers) {
		if err := leftIn(text); err != nil {
			return err
		}
	}
	return nil
}

// leftIn is an error if a variable stands in the text.
func leftIn(text string) error {
	if found := leftover.FindString(text); found != "" {
		return fmt.Errorf("variable %s has no value here: alert rules and shared links have no dashboard variables, so write the value itself", found)
	}
	return nil
}

// emptyTerms finds the holes that a variable without any chosen value leaves in a selection.
func emptyTerms(hosts, ifaces string) error {
	for term := range strings.SplitSeq(hosts, ",") {
		term = strings.TrimSpace(term)
		switch key, value, isLabel := strings.Cut(term, "="); {
		case term == "" && hosts != "":
			return fmt.Errorf("hosts %q: a name is empty; if it comes from a variable, choose a value there, or All", hosts)
		case isLabel && strings.Trim(value, "| ") == "":
			return fmt.Errorf("hosts %q: %s has no value; if it comes from a variable, choose one there, or All", hosts, strings.TrimSuffix(key, "!"))
		}
	}
	if strings.HasPrefix(ifaces, "/") {
		return nil
	}
	for name := range strings.SplitSeq(ifaces, ",") {
		if strings.Trim(name, "! ") == "" {
			return fmt.Errorf("interfaces %q: a name is empty; if it comes from a variable, choose a value there, or write any", ifaces)
		}
	}
	return nil
}
