package filter

import "strings"

// operator compares an attribute with a value.
type operator uint8

const (
	_ operator = iota
	equal
	notEqual
	less
	lessEqual
	greater
	greaterEqual
	in
	notIn
	is
	isNot
)

var operatorNames = [...]string{"invalid", "=", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"}

func (o operator) String() string { return operatorNames[o] }

// ordered says that the operator asks which of two values is greater.
func (o operator) ordered() bool { return o >= less && o <= greaterEqual }

// negative says that the operator is the complement of another one; positive is that other one.
func (o operator) negative() bool { return o == notEqual || o == notIn || o == isNot }

// opposite is the ordering operator that holds exactly where o does not, for values that are always there.
func (o operator) opposite() operator {
	return [...]operator{less: greaterEqual, lessEqual: greater, greater: lessEqual, greaterEqual: less}[o]
}

// holds compares a row's value with the term's.
func (o operator) holds(value, with uint64) bool {
	switch o {
	case less:
		return value < with
	case lessEqual:
		return value <= with
	case greater:
		return value > with
	case greaterEqual:
		return value >= with
	}
	return value == with
}

// operatorWords are the words that stand for operators where an operator is due; each may have a dash in front.
var operatorWords = map[string]operator{
	"eq": equal, "equals": equal,
	"ne": notEqual, "neq": notEqual,
	"l": less, "lt": less, "less": less,
	"le": lessEqual, "leq": lessEqual,
	"g": greater, "gt": greater, "greater": greater,
	"ge": greaterEqual, "geq": greaterEqual,
	"in": in, "is": is,
}

func lookupOperatorWord(word string) (operator, bool) {
	o, ok := operatorWords[word]
	if !ok && len(word) <= len("-greater") {
		word, dashed := strings.CutPrefix(strings.ToLower(word), "-")
		o, ok = operatorWords[word]
		ok = ok && (!dashed || o < in)
	}
	return o, ok
}
