package filter

import (
	"fmt"
	"strings"
)

// expression is a node of the tree as typed: host and net not spelled out, negations where they were written.
type expression struct {
	kind      NodeKind
	negated   bool
	operands  []*expression // All, Any
	attribute *attribute    // Leaf
	term      *Term         // Leaf; its attribute is set when it is normalised
}

// parser builds the tree by recursive descent:
//
//	disjunction = conjunction { OR conjunction }
//	conjunction = negation { AND negation }
//	negation    = { NOT } ( "(" disjunction ")" | comparison )
//	comparison  = attribute operator value
//
// It looks one token ahead, so that a list of any length takes no memory for tokens.
type parser struct {
	lexer
	token       token // the next one
	previousEnd int   // where the one before it ended
	nesting     int   // parentheses that are open
	items       int   // values in lists so far
	names       map[string]struct{}
	expressions slab[expression]
	terms       slab[Term]
}

// slab makes values some at a time: a condition is many small ones, and making each costs more than reading it.
type slab[T any] struct {
	free []T
	size int
}

// typicalTerm is the length of a comparison's text, from which the number of values is guessed.
const typicalTerm = 12

func newSlab[T any](text string) slab[T] { return slab[T]{size: min(len(text)/typicalTerm+1, 64)} }

func (s *slab[T]) new() *T {
	if len(s.free) == 0 {
		s.free = make([]T, s.size)
	}
	value := &s.free[0]
	s.free = s.free[1:]
	return value
}

// operands makes an expression of operands, the first of which is known.
func (p *parser) operands(kind NodeKind, first *expression) *expression {
	e := p.expressions.new()
	e.kind, e.operands = kind, append(make([]*expression, 0, 8), first)
	return e
}

// parse returns the tree of the text, nil where the text is blank.
func parse(text string) (*expression, *Error) {
	if len(text) > MaxText {
		return nil, tooLong(text)
	}
	p := parser{lexer: lexer{text: text}, expressions: newSlab[expression](text), terms: newSlab[Term](text)}
	p.advance()
	if p.token.kind == tokenEnd {
		return nil, nil
	}
	tree, err := p.disjunction()
	if err == nil && p.token.kind != tokenEnd {
		err = p.unexpected(want{kind: wantConnective}, `"&"`, `"|"`, "the end")
	}
	if err != nil {
		return nil, err
	}
	return tree, nil
}

func (p *parser) advance() {
	p.previousEnd = p.token.end
	p.token = p.next()
}

// spelling is the token as typed.
func (p *parser) spelling(t token) string { return p.text[t.offset:t.end] }

// word says that the next token is this word, in any case.
func (p *parser) word(w string) bool {
	return p.token.kind == tokenWord && strings.EqualFold(p.spelling(p.token), w)
}

func (p *parser) disjunction() (*expression, *Error) {
	first, err := p.conjunction()
	if err != nil || !p.atOr() {
		return first, err
	}
	e := p.operands(Any, first)
	for p.atOr() {
		p.advance()
		operand, err := p.conjunction()
		if err != nil {
			return nil, err
		}
		e.operands = append(e.operands, operand)
	}
	return e, nil
}

func (p *parser) conjunction() (*expression, *Error) {
	first, err := p.negation()
	if err != nil || !p.atAnd() {
		return first, err
	}
	e := p.operands(All, first)
	for p.atAnd() {
		p.advance()
		operand, err := p.negation()
		if err != nil {
			return nil, err
		}
		e.operands = append(e.operands, operand)
	}
	return e, nil
}

func (p *parser) atOr() bool  { return p.token.kind == tokenOr || p.word("or") }
func (p *parser) atAnd() bool { return p.token.kind == tokenAnd || p.word("and") }
func (p *parser) atNot() bool { return p.token.kind == tokenNot || p.word("not") }

func (p *parser) negation() (*expression, *Error) {
	negated := false
	for p.atNot() {
		negated = !negated
		p.advance()
	}
	primary := p.comparison
	if p.token.kind == tokenOpen {
		primary = p.parentheses
	}
	e, err := primary()
	if err == nil && negated {
		e.negated = !e.negated
	}
	return e, err
}

func (p *parser) parentheses() (*expression, *Error) {
	if p.nesting++; p.nesting > maxNesting {
		return nil, p.fault(p.token, fmt.Sprintf("more than %d parentheses are open", maxNesting))
	}
	p.advance()
	e, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenClose {
		return nil, p.unexpected(want{kind: wantConnective}, `")"`, `"&"`, `"|"`)
	}
	p.nesting--
	p.advance()
	return e, nil
}

func (p *parser) comparison() (*expression, *Error) {
	start := p.token.offset
	a, key, err := p.attribute()
	if err != nil {
		return nil, err
	}
	o, err := p.operator(a)
	if err != nil {
		return nil, err
	}
	term := p.terms.new()
	term.key, term.negated, term.operator, term.offset = key, o.negative(), equal, start
	if o.ordered() {
		term.operator = o
	}
	if err := p.value(a, o, term); err != nil {
		return nil, err
	}
	term.length = p.previousEnd - start
	e := p.expressions.new()
	e.kind, e.attribute, e.term = Leaf, a, term
	return e, nil
}

func (p *parser) attribute() (*attribute, string, *Error) {
	if p.token.kind != tokenWord || p.atAnd() || p.atOr() {
		return nil, "", p.unexpected(want{kind: wantAttribute}, "an attribute such as sip or dport")
	}
	word := p.spelling(p.token)
	a, key := lookupAttribute(word)
	if a == nil {
		err := p.fault(p.token, "unknown attribute "+show(word))
		if err.Nearest = nearestAttribute(word); strings.EqualFold(strings.TrimSuffix(word, "."), "label") {
			err.Message, err.Nearest = "a label is named by its key, such as label.company", ""
		}
		return nil, "", err
	}
	p.advance()
	return a, key, nil
}

// operator takes the operator of a comparison, which may be a word or two.
func (p *parser) operator(a *attribute) (operator, *Error) {
	first := p.token
	o := first.operator
	if first.kind == tokenWord {
		if p.word("not") {
			p.advance()
			if !p.word("in") {
				return 0, p.unexpected(want{kind: wantIn}, `"in"`)
			}
			o = notIn
		} else {
			o, _ = lookupOperatorWord(p.spelling(first))
		}
	}
	if o == 0 {
		return 0, p.unexpected(want{kind: wantOperator, attribute: a}, a.operators()...)
	}
	last := p.token
	p.advance()
	if o == is && p.word("not") {
		o, last = isNot, p.token
		p.advance()
	}
	if !a.allows(o) {
		first.end = last.end
		err := p.fault(first, fmt.Sprintf("%q does not apply to %s", o, a.name))
		err.Expected = a.operators()
		return 0, err
	}
	return o, nil
}

// operators lists what can stand behind the attribute, for messages.
func (a *attribute) operators() []string {
	var names []string
	for _, o := range kindOperators[a.kind] {
		names = append(names, `"`+o.String()+`"`)
	}
	return names
}

// list calls item for the one value behind an operator, or for each value of a list. Values of a list are
// separated by commas or white space.
func (p *parser) list(a *attribute, o operator, t *Term, item func(want) *Error) *Error {
	w := want{kind: wantValue, attribute: a, operator: o, key: t.key}
	if p.token.kind != tokenOpen || o.ordered() {
		return item(w)
	}
	w.list = true
	p.advance()
	for ; ; w.items++ {
		if p.token.kind == tokenClose && w.items > 0 {
			p.advance()
			return nil
		}
		if p.items++; p.items > MaxItems {
			return p.fault(p.token, fmt.Sprintf("more than %d values in lists", MaxItems))
		}
		if err := item(w); err != nil {
			return err
		}
		if p.token.kind == tokenComma {
			p.advance()
		}
	}
}

// unexpected is the error of a token that cannot stand where it does.
func (p *parser) unexpected(w want, expected ...string) *Error {
	var err *Error
	switch p.token.kind {
	case tokenBad:
		return p.fault(p.token, p.problem)
	case tokenEnd:
		err = p.fault(p.token, "unexpected end")
		err.want = w
		err.want.nesting = p.nesting
	default:
		err = p.fault(p.token, "unexpected "+show(p.spelling(p.token)))
	}
	err.Expected = expected
	return err
}

// fault is an error about a token.
func (p *parser) fault(t token, message string) *Error {
	return &Error{Text: p.text, Offset: t.offset, Length: t.end - t.offset, Message: message}
}
