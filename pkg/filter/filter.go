// Package filter is the condition language: what people type to say which flows they want, such as
//
//	proto = tcp and dport in (22, 80, 8000-8100) and not sip = 10.0.0.0/8
//
// It is goProbe's language as people know it, with more in it; docs/FILTER.md describes it by examples, and is
// written by this package's tests. Everything here is pure: no I/O, no clock, no state. Host names and named
// address lists are handed back to the caller, who looks them up (Condition.Resolve, Condition.WithLists).
//
// A text goes through these steps: lexer.go cuts it into tokens; parser.go, values.go and addresses.go build the
// tree as typed; normalise.go spells out host and net, moves negations to the terms and flattens; icmp.go decides
// what each port comparison means; print.go gives the canonical text; compile.go makes the Matcher.
//
// Invariants: logic has two values, so that NOT is always the exact complement and De Morgan's laws hold; a term
// about something a row does not have (the port of a ping, the round-trip time of a group without handshakes) is
// false, and its negation true, but for folded rows, which match no term on an address and no negation of one; the
// canonical text parses to a condition with the same canonical text; IPv4 terms
// never match IPv6 rows and the reverse; memory and depth are bounded by the constants below.
//
// Neighbours: flow has the names of fields and protocols; wire validates requests with Parse; the engine and the
// fleet evaluate a Matcher; the command line and the editors call Complete.
package filter

import "strings"

// The limits. What exceeds one is refused with an Error that says so.
const (
	MaxText    = 16 << 20 // bytes of a condition's text
	MaxTerms   = 10_000   // comparisons, where one on host or net counts as two
	MaxItems   = 1 << 18  // values in lists, all lists of a condition together
	MaxNames   = 64       // host names that need a lookup, all terms together
	MaxDepth   = 256      // levels of the normalised tree
	maxNesting = 2*MaxDepth + 2
)

// Condition is a parsed and normalised condition. It is immutable and safe for concurrent use. The nil Condition
// is valid and matches everything.
type Condition struct {
	text string // as typed; errors found later point into it
	root *Node
}

// Parse reads a condition. Blank text gives a nil Condition, which matches everything. The error is always an
// *Error, which points at the first fault.
func Parse(text string) (*Condition, error) {
	tree, err := parse(text)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return nil, nil
	}
	root, err := normalise(tree, text)
	if err != nil {
		return nil, err
	}
	c := &Condition{text: text, root: root}
	// The canonical text can be up to four times as long as what was typed; it has to parse again, too.
	if len(text) > MaxText/4 && len(c.String()) > MaxText {
		return nil, tooLong(text)
	}
	return c, nil
}

// String is the canonical text: goProbe's words, every AND and OR in parentheses, negations at the terms, values
// sorted. It is empty for a nil Condition. Characters that do not print are escaped.
func (c *Condition) String() string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	c.root.print(&b)
	return b.String()
}
