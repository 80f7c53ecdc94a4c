package wire

import (
	"fmt"
	"slices"
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
		fields := expand(name)
		if fields == nil {
			faults = append(faults, unknownColumn(name, offset+leadingSpace(part), len(strings.TrimSpace(part))))
		}
		for _, f := range fields {
			if !slices.ContainsFunc(columns, func(c Column) bool { return c.Name == f.Name }) {
				columns = append(columns, Column{Field: f, Name: f.Name})
			}
		}
		offset += len(part) + 1
	}
	return columns, faults
}

// expand finds the fields a name stands for, nil if it is unknown.
func expand(name string) []flow.Field {
	if f, ok := flow.LookupField(name); ok && f.Query {
		return []flow.Field{f}
	}
	for _, s := range flow.Shorthands() {
		if s.Name == name {
			fields := make([]flow.Field, len(s.Fields))
			for i, n := range s.Fields {
				fields[i], _ = flow.LookupField(n)
			}
			return fields
		}
	}
	return nil
}

func unknownColumn(name string, offset, length int) Fault {
	if name == "" {
		return Fault{Message: fmt.Sprintf("query, column %d: empty name in the list of attributes", offset+1),
			Position: &Position{Offset: offset}}
	}
	known := ColumnNames()
	position := &Position{Offset: offset, Length: length}
	message := fmt.Sprintf("query, column %d: unknown attribute %q", offset+1, clip(name))
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
	return Fault{Message: message, Position: position}
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
