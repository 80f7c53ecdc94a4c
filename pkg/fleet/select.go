package fleet

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Info is what a selection of hosts goes by.
type Info struct {
	Name   string
	Labels map[string]string
	Groups []string
	// Gateway that the host is behind, by whose name all its hosts can be named; empty: none.
	Gateway string
}

// Bounds on the text of a selection: it may name every host of a large fleet, but not make all hosts be compared with
// any number of patterns.
const (
	maxSelection = 1 << 20 // bytes
	maxPatterns  = 1000    // globs and terms on labels
	maxNamed     = 8       // known values in an error
)

// Select finds the hosts that a text names, by their index, in ascending order. The elements of the text are separated
// by commas:
//
//	fra-1          the host of that name
//	fra-*          all hosts whose names match: * stands for any characters, ? for one
//	@edge          all hosts of a group
//	company=acme   of the hosts above, or of all, those with this label: also site=fra|zrh and site!=lab
//	any            all hosts, as does an empty text
//
// Values with commas or bars stand in double quotes. An absent label is an empty one. Whatever matches no host is a
// fault: the error is a *wire.Problem that names all of them, with what is near.
func Select(hosts []Info, text string) ([]int, error) {
	s := selection{hosts: hosts, chosen: make([]bool, len(hosts))}
	if len(text) > maxSelection {
		s.fault(text[:64], 0, "the selection is longer than %d bytes", maxSelection)
		return nil, s.problem()
	}
	for _, e := range elements(text) {
		s.element(e)
	}
	if len(s.faults) > 0 {
		return nil, s.problem()
	}
	var list []int
	for i := range hosts {
		if (s.chosen[i] || !s.named) && s.passes(i) {
			list = append(list, i)
		}
	}
	if len(list) == 0 && strings.TrimSpace(text) != "" && len(hosts) > 0 {
		s.fault(text, 0, "no host is in all of it: each part matches some, all together match none")
		return nil, s.problem()
	}
	return list, nil
}

// selection is the work of one Select.
type selection struct {
	hosts    []Info
	byName   map[string][]int
	named    bool   // an element names hosts, so that others are not chosen
	chosen   []bool // by such elements
	terms    []labelTerm
	patterns int
	faults   []wire.Fault
}

// labelTerm is key=a|b or key!=a|b.
type labelTerm struct {
	key    string
	values []pattern
	not    bool
}

// element is a part of the text between commas.
type element struct {
	text   string
	offset int
}

// elements cuts a text at its commas, those in quotes excepted.
func elements(text string) (list []element) {
	start, quoted := 0, false
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] == '"' {
			quoted = !quoted
		}
		if i < len(text) && (text[i] != ',' || quoted) {
			continue
		}
		part := text[start:i]
		if trimmed := strings.TrimSpace(part); trimmed != "" {
			list = append(list, element{trimmed, start + strings.Index(part, trimmed)})
		}
		start = i + 1
	}
	return list
}

func (s *selection) element(e element) {
	at := strings.IndexByte(e.text, '=')
	switch {
	case strings.EqualFold(e.text, "any"):
		s.choose(func(Info) bool { return true })
	case at >= 0:
		s.term(e, at)
	case strings.HasPrefix(e.text, "@"):
		s.group(e)
	case strings.ContainsAny(e.text, "*?"):
		if !s.pattern(e) {
			return
		}
		p := pattern{text: e.text, glob: true}
		if !s.choose(func(h Info) bool { return p.matches(h.Name) || h.Gateway != "" && p.matches(h.Gateway) }) {
			s.unknown(e, "no host's name matches", e.text, s.names())
		}
	default:
		s.name(e)
	}
}

// choose adds hosts, and says whether there are any.
func (s *selection) choose(wanted func(Info) bool) (any bool) {
	s.named = true
	for i, h := range s.hosts {
		if wanted(h) {
			s.chosen[i], any = true, true
		}
	}
	return any
}

// index makes byName.
func (s *selection) index() {
	if s.byName == nil {
		s.byName = make(map[string][]int, len(s.hosts))
		for i, h := range s.hosts {
			s.byName[h.Name] = append(s.byName[h.Name], i)
			if h.Gateway != "" {
				s.byName[h.Gateway] = append(s.byName[h.Gateway], i)
			}
		}
	}
}

func (s *selection) name(e element) {
	s.index()
	s.named = true
	hosts, ok := s.byName[e.text]
	if !ok {
		s.unknown(e, "unknown host", e.text, s.names())
		return
	}
	for _, i := range hosts {
		s.chosen[i] = true
	}
}

func (s *selection) group(e element) {
	name := strings.TrimPrefix(e.text, "@")
	if s.pattern(e) && !s.choose(func(h Info) bool { return slices.Contains(h.Groups, name) }) {
		s.unknown(e, "unknown group", name, s.values(func(h Info) []string { return h.Groups }))
	}
}

// pattern counts what is compared with all hosts.
func (s *selection) pattern(e element) bool {
	if s.patterns++; s.patterns == maxPatterns+1 {
		s.fault(e.text, e.offset, "more than %d patterns, groups and labels", maxPatterns)
	}
	return s.patterns <= maxPatterns
}

func (s *selection) term(e element, at int) {
	if !s.pattern(e) {
		return
	}
	key, not := strings.CutSuffix(e.text[:at], "!")
	if key == "" {
		s.fault(e.text, e.offset, "%q: expected the name of a label before the equals sign, as in site=fra", clip(e.text))
		return
	}
	key = strings.TrimSpace(key)
	known := s.values(func(h Info) []string { return slices.Collect(maps.Keys(h.Labels)) })
	if !slices.Contains(known, key) {
		s.unknown(e, "no host has the label", key, known)
		return
	}
	t := labelTerm{key: key, not: not}
	values := s.values(func(h Info) []string { return []string{h.Labels[key]} })
	for _, text := range alternatives(e.text[at+1:]) {
		p := parseValue(text)
		if p.text != "" && !slices.ContainsFunc(values, p.matches) {
			s.unknown(e, "no host has the label "+clip(key)+" with the value", p.text, slices.DeleteFunc(values, func(v string) bool { return v == "" }))
		}
		t.values = append(t.values, p)
	}
	s.terms = append(s.terms, t)
}

// passes says that a host has the labels that are asked for.
func (s *selection) passes(i int) bool {
	for _, t := range s.terms {
		value := s.hosts[i].Labels[t.key]
		if slices.ContainsFunc(t.values, func(p pattern) bool { return p.matches(value) }) == t.not {
			return false
		}
	}
	return true
}

// names are those of hosts and gateways, sorted.
func (s *selection) names() []string {
	s.index()
	return slices.Sorted(maps.Keys(s.byName))
}

// values are the distinct ones of all hosts, sorted.
func (s *selection) values(of func(Info) []string) []string {
	all := make(map[string]bool)
	for _, h := range s.hosts {
		for _, v := range of(h) {
			all[v] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// unknown says what is not known, and what is.
func (s *selection) unknown(e element, what, value string, known []string) {
	message := fmt.Sprintf("%s %q", what, clip(value))
	nearest, ok := flow.Nearest(value, known)
	switch {
	case ok:
		message += fmt.Sprintf("; did you mean %q?", nearest)
	case len(known) > maxNamed:
		message += fmt.Sprintf("; known are %s and %d more", strings.Join(known[:maxNamed], ", "), len(known)-maxNamed)
	case len(known) > 0:
		message += "; known are " + strings.Join(known, ", ")
	}
	s.fault(e.text, e.offset, "%s", message)
	s.faults[len(s.faults)-1].Position.Nearest = nearest
}

// maxFaults bounds what an error names.
const maxFaults = 32

func (s *selection) fault(text string, offset int, format string, arguments ...any) {
	if len(s.faults) == maxFaults {
		s.faults = s.faults[:maxFaults-1] // the last ones are as good as any
	}
	s.faults = append(s.faults, wire.Fault{Location: "body.query_hosts", Value: clip(text), Message: fmt.Sprintf(format, arguments...),
		Position: &wire.Position{Offset: offset, Length: len(text)}})
}

func (s *selection) problem() error {
	return wire.NewProblem(http.StatusUnprocessableEntity, "the query is not valid", s.faults...)
}

func clip(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "…"
	}
	return text
}
