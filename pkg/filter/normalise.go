package filter

import "fmt"

// normaliser turns the tree as typed into the normal form: host and net spelled out, negations moved to the terms
// by De Morgan's laws, nested operands of the same kind joined.
type normaliser struct {
	text  string
	terms int
}

func normalise(tree *expression, text string) (*Node, *Error) {
	n := normaliser{text: text}
	root, err := n.node(tree, false, 1)
	if err != nil {
		return nil, err
	}
	if err := checkGroups(root, text); err != nil {
		return nil, err
	}
	interpretPorts(root, allProtocols)
	return root, nil
}

func (n *normaliser) node(e *expression, negate bool, depth int) (*Node, *Error) {
	negate = negate != e.negated
	if e.kind == Leaf {
		return n.leaf(e, negate, depth)
	}
	result := &Node{kind: e.kind, operands: make([]*Node, 0, len(e.operands))}
	if negate && e.kind == All {
		result.kind = Any
	} else if negate {
		result.kind = All
	}
	for _, operand := range e.operands {
		// Whether the operand is joined is only known when it is done; its depth is bounded as if it were not.
		node, err := n.node(operand, negate, depth+1)
		if err != nil {
			return nil, err
		}
		if node.kind == result.kind {
			result.operands = append(result.operands, node.operands...)
		} else {
			result.operands = append(result.operands, node)
		}
	}
	return result, nil
}

func (n *normaliser) leaf(e *expression, negate bool, depth int) (*Node, *Error) {
	fault := func(message string) *Error {
		return &Error{Text: n.text, Offset: e.term.offset, Length: e.term.length, Message: message}
	}
	if depth > MaxDepth {
		return nil, fault(fmt.Sprintf("AND and OR alternate over more than %d levels", MaxDepth))
	}
	if n.terms += len(e.attribute.terms); n.terms > MaxTerms {
		return nil, fault(fmt.Sprintf("more than %d comparisons", MaxTerms))
	}
	if len(e.attribute.terms) == 1 {
		return &Node{kind: Leaf, term: e.term.as(e.attribute.terms[0], negate)}, nil
	}
	either := &Node{kind: Any}
	if negate != e.term.negated {
		either.kind = All // neither
	}
	for _, attribute := range e.attribute.terms {
		either.operands = append(either.operands, &Node{kind: Leaf, term: e.term.as(attribute, negate)})
	}
	return either, nil
}

// as is the term on an attribute, negated or not.
func (t *Term) as(attribute Attribute, negate bool) *Term {
	c := *t
	c.attribute = attribute
	c.negated = t.negated != negate
	if c.negated && c.operator.ordered() && (attribute == Protocol || attribute == Counter && !c.counter.optional()) {
		c.turn()
	}
	return &c
}

// turn replaces a negated ordering operator by its opposite. That is only right where there always is a value.
func (t *Term) turn() {
	t.negated = false
	t.operator = t.operator.opposite()
	if t.attribute != Counter {
		t.numbers = domainOf(t.attribute).ordered(t.operator, uint16(t.value))
	}
}

// checkGroups refuses terms on groups that are not, alone or together, operands of the top-level AND: they are
// evaluated on sums, when the rows are gone.
func checkGroups(root *Node, text string) *Error {
	for _, operand := range operandsOf(root) {
		var group, row *Term
		for t := range operand.Terms {
			if !t.attribute.group() {
				row = t
			} else if group == nil {
				group = t
			}
		}
		if group != nil && row != nil {
			return &Error{Text: text, Offset: group.offset, Length: group.length,
				Message: group.name() + " looks at whole result rows and cannot stand in an OR with other attributes; join it by AND"}
		}
	}
	return nil
}

// operandsOf returns the operands of the top-level AND; without one, the whole tree.
func operandsOf(root *Node) []*Node {
	if root.kind == All {
		return root.operands
	}
	return []*Node{root}
}
