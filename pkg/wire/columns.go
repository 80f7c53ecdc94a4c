package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/weirflow/weir/pkg/flow"
)

// parseColumns reads a list of attributes, labels and shorthands. White space does not count, duplicates are dropped,
// the order is kept. Each unknown name is one fault, with its position in text.
func parseColumns(text string) ([]Column, []Fault) {
	if strings.TrimSpace(text) == "" {
		return nil, []Fault{{Message: "the query names no attribute: for example sip,dip,dport,proto"}}
	}
	if len(text) > maxQueryText {
		return nil, []Fault{{Message: fmt.Sprintf("the list of attributes has %d bytes, more than the limit of %d", len(text), maxQueryText)}}
	}
	var columns []Column
	var faults []Fault
	offset := 0
	for part := range strings.SplitSeq(text, ",") {
		name := withoutSpace(part)
		found, fault := expand(name)
		for _, c := range found {
			if fault == nil {
				columns, fault = addColumn(columns, c)
			}
		}
		if fault != nil {
			fault.Position.Offset, fault.Position.Length = offset+leadingSpace(part), len(strings.TrimSpace(part))
			fault.Message = fmt.Sprintf("query, column %d: %s", fault.Position.Offset+1, fault.Message)
			faults = append(faults, *fault)
		}
		offset += len(part) + 1
	}
	return columns, faults
}

// addColumn appends a column unless it is there. Grouping by an address and by its network at once is a fault: the
// row has one place for both.
func addColumn(columns []Column, c Column) ([]Column, *Fault) {
	for _, known := range columns {
		switch {
		case known.Name == c.Name:
			return columns, nil
		case known.Field.Name == c.Field.Name:
			return columns, &Fault{Position: &Position{},
				Message: fmt.Sprintf("%s beside %s: a query groups by one of them", c.Name, known.Name)}
		}
	}
	return append(columns, c), nil
}

// expand finds the columns a name stands for. The fault has no place yet.
func expand(name string) ([]Column, *Fault) {
	if base, bits, ok := strings.Cut(name, "/"); ok {
		return expandPrefix(name, base, bits)
	}
	if f, ok := flow.LookupField(name); ok && f.Query {
		return []Column{{Field: f, Name: f.Name}}, nil
	}
	if key, ok := flow.LabelKey(name); ok {
		return expandLabel(key)
	}
	for _, s := range flow.Shorthands() {
		if s.Name == name {
			columns := make([]Column, len(s.Fields))
			for i, n := range s.Fields {
				f, _ := flow.LookupField(n)
				columns[i] = Column{Field: f, Name: f.Name}
			}
			return columns, nil
		}
	}
	return nil, unknownColumn(name)
}

// expandPrefix finds the column of an address that is grouped by its network, such as sip/24.
func expandPrefix(name, base, bits string) ([]Column, *Fault) {
	f, ok := flow.LookupField(base)
	if !ok {
		return nil, unknownColumn(base)
	}
	fault := &Fault{Position: &Position{Expected: []string{"sip/N", "dip/N"}}}
	if f.Type != flow.TypeAddress {
		fault.Message = fmt.Sprintf("%q: only addresses are grouped by network, as in sip/24 or dip/48", clip(name))
		return nil, fault
	}
	n, err := strconv.ParseUint(bits, 10, 8)
	if err != nil || n < 1 || n > 128 || bits != strconv.FormatUint(n, 10) {
		fault.Message = fmt.Sprintf("%q: expected a number of bits from 1 to 128, as in %s/24", clip(name), f.Name)
		return nil, fault
	}
	return []Column{{Field: f, Name: f.Name + "/" + bits, Prefix: uint8(n)}}, nil
}

// expandLabel finds the column of a label of hosts.
func expandLabel(key string) ([]Column, *Fault) {
	valid := key != "" && len(key) <= maxLabelName
	for _, r := range key {
		valid = valid && (r == '_' || r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}
	if !valid {
		return nil, &Fault{Position: &Position{Expected: []string{"label.NAME"}}, Message: fmt.Sprintf(
			"%q: a label is named by up to %d letters, digits, dots, dashes and underscores, as in label.company", clip("label."+key), maxLabelName)}
	}
	f := flow.LabelField(key)
	return []Column{{Field: f, Name: f.Name, Label: key}}, nil
}

// maxLabelName bounds the name of a label in a query.
const maxLabelName = 64

func unknownColumn(name string) *Fault {
	position := &Position{}
	if name == "" {
		return &Fault{Message: "empty name in the list of attributes", Position: position}
	}
	known := ColumnNames()
	message := fmt.Sprintf("unknown attribute %q", clip(name))
	if lower := strings.ToLower(name); slices.Contains(known, lower) {
		position.Nearest = lower
	} else if nearest, ok := flow.Nearest(lower, known); ok {
		position.Nearest = nearest
	}
	if position.Nearest != "" {
		message += fmt.Sprintf("; did you mean %q?", position.Nearest)
	} else {
		position.Expected = known
		message += "; expected " + strings.Join(known, ", ")
	}
	return &Fault{Message: message, Position: position}
}

// ColumnNames lists the names that can stand in Request.Query, aliases left out: fields, then shorthands.
func ColumnNames() []string {
	var names []string
	for _, f := range flow.Fields() {
		if f.Query {
			names = append(names, f.Name)
		}
	}
	for _, s := range flow.Shorthands() {
		names = append(names, s.Name)
	}
	return names
}

func withoutSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func leadingSpace(s string) int { return len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace)) }
