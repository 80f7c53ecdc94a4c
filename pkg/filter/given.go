package filter

// Given is what is left of a condition for a host whose labels are known: terms on these labels are decided, others
// stay. Where the labels make it false for every row, holds is false.
func (c *Condition) Given(labels map[string]string) (rest *Condition, holds bool) {
	if c == nil || len(labels) == 0 {
		return c, true
	}
	root, holds := c.root.given(labels)
	if root == nil {
		return nil, holds
	}
	return &Condition{text: c.text, root: root}, true
}

// given is the node without the terms that are decided; nil where nothing is left, with what came out.
func (n *Node) given(labels map[string]string) (rest *Node, holds bool) {
	if n.kind == Leaf {
		value, known := labels[n.term.key]
		if n.term.attribute != Label || !known {
			return n, true
		}
		return nil, n.term.MatchText(value)
	}
	either := n.kind == Any
	var operands []*Node
	for _, operand := range n.operands {
		switch o, holds := operand.given(labels); {
		case o != nil && o.kind == n.kind: // as it stood above what is gone now
			operands = append(operands, o.operands...)
		case o != nil:
			operands = append(operands, o)
		case holds == either: // decides
			return nil, either
		}
	}
	switch len(operands) {
	case 0:
		return nil, !either
	case 1:
		return operands[0], true
	}
	return &Node{kind: n.kind, operands: operands}, true
}

// RowTerms is the condition without the terms on sums.
func (c *Condition) RowTerms() *Condition {
	if c == nil {
		return nil
	}
	var rows []*Node
	for _, operand := range operandsOf(c.root) {
		if !operand.isGroup() {
			rows = append(rows, operand)
		}
	}
	if root := conjunction(rows); root != nil {
		return &Condition{text: c.text, root: root}
	}
	return nil
}
