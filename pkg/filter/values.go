package filter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// value reads the value, or the list of values, of a comparison into the term.
func (p *parser) value(a *attribute, o operator, t *Term) *Error {
	switch a.kind {
	case kindAddress:
		return p.addresses(a, o, t)
	case kindText:
		return p.patterns(a, o, t)
	case kindDirection:
		return p.direction(a, o, t)
	case kindAmount:
		return p.amount(a, o, t)
	}
	return p.numbers(a, o, t)
}

// operand takes one word or quoted text.
func (p *parser) operand(w want) (text string, quoted bool, err *Error) {
	switch p.token.kind {
	case tokenWord:
		text = p.spelling(p.token)
	case tokenQuoted:
		quoted = true
		var ok bool
		if text, ok = unquote(p.spelling(p.token)); !ok {
			return "", true, p.fault(p.token, "unknown escape in quoted text")
		}
	default:
		return "", false, p.unexpected(w, w.attribute.values()...)
	}
	p.advance()
	return text, quoted, nil
}

// refuse is the error of the value that was just taken.
func (p *parser) refuse(taken token, a *attribute, message string) *Error {
	err := p.fault(taken, message)
	err.Expected = a.values()
	return err
}

// numberRange is a range of numbers, both ends included.
type numberRange struct{ from, to uint16 }

// domain is a set of numbers that have names or an order.
type domain struct {
	noun   string
	max    uint16
	parse  func(string) (uint16, bool) // of a word in lower case
	print  func(uint16) string
	names  func() []string // nil where there are none
	values []string
}

var (
	portDomain = &domain{noun: "port", max: 65535, parse: parsePort, print: printNumber,
		values: []string{"a port from 0 to 65535", "a range such as 8000-8100"}}
	protocolDomain = &domain{noun: "protocol", max: 255, names: flow.ProtocolNames,
		parse:  func(s string) (uint16, bool) { p, ok := flow.ParseProtocol(s); return uint16(p), ok },
		print:  func(n uint16) string { return Quote(flow.Protocol(n).String()) },
		values: []string{"a protocol name", "a number from 0 to 255", "a range"}}
	versionDomain = &domain{noun: "IP version", max: 6, parse: parseVersion, print: printNumber,
		values: []string{"4", "6"}}
	verdictDomain = &domain{noun: "verdict", max: uint16(flow.VerdictAccepted), names: flow.VerdictNames,
		parse:  func(s string) (uint16, bool) { v, ok := flow.ParseVerdict(s); return uint16(v), ok },
		print:  func(n uint16) string { return flow.Verdict(n).String() },
		values: flow.VerdictNames()}
)

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

func parseVersion(s string) (uint16, bool) {
	switch strings.TrimPrefix(strings.TrimPrefix(s, "ip"), "v") {
	case "4":
		return 4, true
	case "6":
		return 6, true
	}
	return 0, false
}

func printNumber(n uint16) string { return strconv.FormatUint(uint64(n), 10) }

// domain of an attribute whose values are numbers.
func (a *attribute) domain() *domain { return domainOf(a.terms[0]) }

func domainOf(a Attribute) *domain {
	switch a {
	case Protocol:
		return protocolDomain
	case Version:
		return versionDomain
	case Verdict:
		return verdictDomain
	}
	return portDomain
}

// numbers reads ports, protocols, IP versions and verdicts.
func (p *parser) numbers(a *attribute, o operator, t *Term) *Error {
	d := a.domain()
	err := p.list(a, o, t, func(w want) *Error {
		taken := p.token
		word, _, err := p.operand(w)
		if err != nil {
			return err
		}
		r, problem := d.numberRange(strings.ToLower(word), a.kind == kindOrdinal)
		if problem != "" {
			err := p.refuse(taken, a, problem)
			if d.names != nil {
				err.Nearest, _ = flow.Nearest(strings.ToLower(word), d.names())
			}
			return err
		}
		if o.ordered() && r.from != r.to {
			return p.fault(taken, fmt.Sprintf("%q compares with one %s, not with a range", o, d.noun))
		}
		t.numbers = append(t.numbers, r)
		return nil
	})
	if err != nil {
		return err
	}
	if o.ordered() {
		t.value = uint64(t.numbers[0].from)
		t.numbers = d.ordered(t.operator, t.numbers[0].from)
		return nil
	}
	t.numbers = mergeNumbers(t.numbers)
	return nil
}

// numberRange reads a number, a name or a range of numbers; the problem is empty where that went well.
func (d *domain) numberRange(word string, ranges bool) (r numberRange, problem string) {
	if n, ok := d.parse(word); ok {
		return numberRange{n, n}, ""
	}
	from, to, found := strings.Cut(word, "-")
	if ranges && found && from != "" {
		first, ok1 := d.parse(from)
		last, ok2 := d.parse(to)
		switch {
		case ok1 && ok2 && first > last:
			return r, fmt.Sprintf("the range %s ends before it starts", show(word))
		case ok1 && ok2:
			return numberRange{first, last}, ""
		}
	}
	return r, fmt.Sprintf("%s is no %s", show(word), d.noun)
}

// ordered is the set of numbers that an ordering operator holds for.
func (d *domain) ordered(o operator, with uint16) []numberRange {
	switch {
	case o == less && with > 0:
		return []numberRange{{0, with - 1}}
	case o == lessEqual:
		return []numberRange{{0, with}}
	case o == greater && with < d.max:
		return []numberRange{{with + 1, d.max}}
	case o == greaterEqual:
		return []numberRange{{with, d.max}}
	}
	return nil
}

// mergeNumbers sorts ranges and joins those that overlap.
func mergeNumbers(ranges []numberRange) []numberRange {
	if len(ranges) < 2 {
		return ranges
	}
	slices.SortFunc(ranges, func(a, b numberRange) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	merged := ranges[:1]
	for _, r := range ranges[1:] {
		if last := &merged[len(merged)-1]; r.from <= last.to {
			last.to = max(last.to, r.to)
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}

// direction reads in, out, uni or bi.
func (p *parser) direction(a *attribute, o operator, t *Term) *Error {
	taken := p.token
	word, _, err := p.operand(want{kind: wantValue, attribute: a, operator: o})
	if err != nil {
		return err
	}
	d, ok := directionByName[strings.ToLower(word)]
	if !ok {
		err := p.refuse(taken, a, show(word)+" is no direction")
		err.Nearest, _ = flow.Nearest(strings.ToLower(word), []string{"inbound", "outbound", "unidirectional", "bidirectional"})
		return err
	}
	t.value = uint64(d)
	return nil
}
