package filter

import "strings"

func (n *Node) print(b *strings.Builder) {
	if n.kind == Leaf {
		n.term.print(b)
		return
	}
	separator := " & "
	if n.kind == Any {
		separator = " | "
	}
	b.WriteByte('(')
	for i, operand := range n.operands {
		if i > 0 {
			b.WriteString(separator)
		}
		operand.print(b)
	}
	b.WriteByte(')')
}

// String is the canonical text of the node.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b)
	return b.String()
}

// String is the canonical text of the term.
func (t *Term) String() string {
	var b strings.Builder
	t.print(&b)
	return b.String()
}

// name is the attribute as it is typed.
func (t *Term) name() string {
	switch {
	case t.attribute == Label:
		return labelPrefix + t.key
	case t.counter != nil:
		return t.counter.name
	}
	return t.attribute.String()
}

func (t *Term) print(b *strings.Builder) {
	if t.addresses != nil {
		t.printAddresses(b)
		return
	}
	if t.operator.ordered() && t.negated {
		b.WriteString("!(")
		defer b.WriteByte(')')
	}
	b.WriteString(t.name())
	switch {
	case t.operator.ordered():
		b.WriteString(" " + t.operator.String() + " " + t.operand())
	case t.patterns != nil:
		t.printList(b, len(t.patterns) == 1, func(separate func()) {
			for _, p := range t.patterns {
				separate()
				p.print(b)
			}
		})
	case t.numbers != nil:
		d := domainOf(t.attribute)
		t.printList(b, len(t.numbers) == 1 && t.numbers[0].from == t.numbers[0].to, func(separate func()) {
			for _, r := range t.numbers {
				separate()
				if r.from == r.to {
					b.WriteString(d.print(r.from))
				} else {
					b.WriteString(printNumber(r.from) + "-" + printNumber(r.to))
				}
			}
		})
	default:
		b.WriteString(t.equality(true) + t.operand())
	}
}

// operand is the one value of a counter, a direction or an ordering operator.
func (t *Term) operand() string {
	switch t.attribute {
	case Counter:
		return printAmount(t.value, t.counter.unit)
	case Direction:
		return directionNames[t.value]
	}
	return printNumber(uint16(t.value))
}

// equality is the operator before one value or a list, with white space around it.
func (t *Term) equality(single bool) string {
	switch {
	case single && t.negated:
		return " != "
	case single:
		return " = "
	case t.negated:
		return " not in "
	}
	return " in "
}

// printList writes the operator and the values; values calls separate before each.
func (t *Term) printList(b *strings.Builder, single bool, values func(separate func())) {
	b.WriteString(t.equality(single))
	if !single {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	first := true
	values(func() {
		if !first {
			b.WriteString(", ")
		}
		first = false
	})
}

func (p pattern) print(b *strings.Builder) {
	for _, piece := range p {
		switch piece.kind {
		case anyText:
			b.WriteByte('*')
		case anyOne:
			b.WriteByte('?')
		default:
			b.WriteString(Quote(piece.text))
		}
	}
}
