package filter

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxCompletions bounds what Complete returns.
const MaxCompletions = 200

// Known is what a server or a store at hand knows, for completion. All members may be empty.
type Known struct {
	Interfaces []string
	Hosts      []string            // names of hosts that capture
	HostIDs    []string            // their identities
	Labels     map[string][]string // values of each label
	Lists      []string            // names of address lists, without the @
}

// CompletionKind says what a completion is, for editors that mark it.
type CompletionKind string

// The kinds of completions.
const (
	CompleteAttribute  CompletionKind = "attribute"
	CompleteOperator   CompletionKind = "operator"
	CompleteValue      CompletionKind = "value"
	CompleteConnective CompletionKind = "connective"
)

// Completion is one way to go on.
type Completion struct {
	Text        string // what to put in place of Length bytes at Offset; to be escaped for where it is shown
	Offset      int
	Length      int
	Kind        CompletionKind
	Description string // one line for people; may be empty
}

// Complete proposes how to go on at the cursor, a byte offset into the text: the words that fit there by the
// grammar and start as the word at the cursor does, in the order of the tables or of what is known. There are none
// where the text before the cursor is wrong already. What follows the cursor's word does not matter.
func Complete(text string, cursor int, known Known) []Completion {
	cursor = min(max(cursor, 0), len(text))
	for cursor > 0 && cursor < len(text) && !utf8.RuneStart(text[cursor]) {
		cursor--
	}
	c := completer{known: known}
	// An operator that the cursor touches may go on, as "<" to "<="; then comes what may follow it.
	mark := cursor
	for mark > 0 && strings.IndexByte("!=<>&|", text[mark-1]) >= 0 {
		mark--
	}
	if mark < cursor {
		c.offset, c.length, c.prefix, c.longer = mark, cursor-mark, text[mark:cursor], true
		c.at(text[:mark])
	}
	start, end := wordAt(text, cursor)
	c.offset, c.length, c.prefix, c.longer = start, end-start, text[start:cursor], false
	c.at(text[:start])
	return c.found
}

// wordAt finds the word or the quoted text at the cursor.
func wordAt(text string, cursor int) (start, end int) {
	if len(text) > MaxText {
		return cursor, cursor
	}
	l := lexer{text: text[:cursor]}
	t := l.next()
	for previous := t; ; previous = t {
		if t = l.next(); t.kind == tokenEnd || t.kind == tokenBad {
			if t.kind == tokenEnd {
				t = previous
			}
			break
		}
	}
	quote := t.kind == tokenBad && t.offset < cursor && strings.IndexByte(`"'`, text[t.offset]) >= 0
	switch {
	case quote:
		return t.offset, cursor
	case t.kind != tokenWord || t.end != cursor:
		return cursor, cursor
	}
	rest := lexer{text: text, position: t.offset}
	return t.offset, rest.next().end
}

type completer struct {
	known          Known
	offset, length int
	prefix         string
	longer         bool // the prefix alone is not worth proposing
	found          []Completion
}

// at collects what fits behind the text.
func (c *completer) at(text string) {
	w := want{kind: wantAttribute}
	switch tree, err := parse(text); {
	case err != nil:
		w = err.want
	case tree != nil:
		w.kind = wantConnective
	}
	switch w.kind {
	case wantAttribute:
		c.attributes()
	case wantOperator:
		c.operators(w.attribute)
	case wantIn:
		c.add(CompleteOperator, in.String(), operatorDescriptions[notIn])
	case wantConnective:
		c.connectives(w)
	case wantValue:
		c.values(w)
	}
}

func (c *completer) add(kind CompletionKind, text, description string) {
	n := len(c.prefix)
	if len(c.found) >= MaxCompletions || len(text) < n || c.longer && len(text) == n || !strings.EqualFold(text[:n], c.prefix) {
		return
	}
	c.found = append(c.found, Completion{text, c.offset, c.length, kind, description})
}

func (c *completer) attributes() {
	for _, a := range attributes {
		c.add(CompleteAttribute, a.name, a.description)
		for _, alias := range a.aliases {
			if c.prefix != "" {
				c.add(CompleteAttribute, alias, a.description)
			}
		}
	}
	for _, key := range sortedKeys(c.known.Labels) {
		if plainWord(key) {
			c.add(CompleteAttribute, labelPrefix+key, labelAttribute.description)
		}
	}
	c.add(CompleteAttribute, "not", "everything but what follows")
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (c *completer) operators(a *attribute) {
	for _, o := range kindOperators[a.kind] {
		c.add(CompleteOperator, o.String(), operatorDescriptions[o])
	}
}

var operatorDescriptions = [...]string{
	equal: "is, or is in a list", notEqual: "is not, nor in a list", less: "is below", lessEqual: "is at most",
	greater: "is above", greaterEqual: "is at least", in: "is one of a list", notIn: "is none of a list",
	is: "is of a class", isNot: "is not of a class",
}

func (c *completer) connectives(w want) {
	c.add(CompleteConnective, "&", "and")
	c.add(CompleteConnective, "|", "or")
	if w.nesting > 0 {
		c.add(CompleteConnective, ")", "closes the parenthesis")
	}
	if c.prefix != "" {
		c.add(CompleteConnective, "and", "")
		c.add(CompleteConnective, "or", "")
	}
}
