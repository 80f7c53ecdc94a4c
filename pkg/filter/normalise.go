package filter

import "fmt"

// normaliser turns the tree as typed into the normal form: host and net spelled out, negations moved to the terms
// by De Morgan's laws, nested operands of the same kind joined.
type normaliser struct {
	text  string
	terms int
	nodes slab[Node]
}

func normalise(tree *expression, text string) (*Node, *Error) {
	n := normaliser{text: text, nodes: newSlab[Node](text)}
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
	result := n.nodes.new()
	result.kind, result.operands = e.kind, make([]*Node, 0, len(e.operands))
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
		return n.term(e.term, e.attribute.terms[0], negate), nil
	}
	either := &Node{kind: Any}
	if negate != e.term.negated {
		either.kind = All // neither
	}
	for _, attribute := range e.attribute.terms {
		copied := *e.term
		either.operands = append(either.operands, n.term(&copied, attribute, negate))
	}
	return either, nil
}

// term makes a leaf of a term that nothing else uses.
func (n *normaliser) term(t *Term, attribute Attribute, negate bool) *Node {
	t.set(attribute, negate)
	leaf := n.nodes.new()
	leaf.kind, leaf.term = Leaf, t
	return leaf
}

// set makes the term one on an attribute, negated or not.
func (t *Term) set(attribute Attribute, negate bool) {
	t.attribute = attribute
	t.negated = t.negated != negate
	if t.negated && t.operator.ordered() && (attribute == Protocol || attribute == Counter && !t.counter.optional()) {
		t.turn()
	}
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
