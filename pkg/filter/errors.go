package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is a fault in a condition's text, and where it is.
type Error struct {
	Text     string   // the whole condition, as typed
	Offset   int      // byte where the fault starts; len(Text) where something is missing at the end
	Length   int      // bytes the fault covers; 0 at the end
	Message  string   // what is wrong
	Expected []string // what could stand there instead; may be empty
	Nearest  string   // the known word that may have been meant; may be empty

	want  want  // what could stand there, for completion
	cause error // of a lookup that failed
}

// Unwrap returns what made a lookup fail, nil for other faults.
func (e *Error) Unwrap() error { return e.cause }

// Error is the fault on one line, safe to print.
func (e *Error) Error() string {
	line, column := e.place()
	where := fmt.Sprintf("column %d", column)
	if line > 1 {
		where = fmt.Sprintf("line %d, column %d", line, column)
	}
	return "condition, " + where + ": " + e.sentence()
}

// sentence is what is wrong and what would be right.
func (e *Error) sentence() string {
	text := e.Message
	if n := len(e.Expected); n > 1 {
		text += "; expected " + strings.Join(e.Expected[:n-1], ", ") + " or " + e.Expected[n-1]
	} else if n == 1 {
		text += "; expected " + e.Expected[0]
	}
	if e.Nearest != "" {
		text += "; did you mean " + strconv.Quote(e.Nearest) + "?"
	}
	return text
}

// place is the line and the column of the fault, in characters, counted from 1.
func (e *Error) place() (line, column int) {
	before := e.Text[:min(max(e.Offset, 0), len(e.Text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// show quotes a piece of the text for a message: escaped, and shortened to a length that people read.
func show(s string) string {
	const limit = 40
	for i := range s {
		if i >= limit {
			return strconv.Quote(s[:i] + "…")
		}
	}
	return strconv.Quote(s)
}

// want is what the parser would have taken at the place of an error.
type want struct {
	kind      wantKind
	attribute *attribute // of wantOperator and wantValue
	key       string     // of a label
	operator  operator   // of wantValue
	list      bool       // within a list
	items     int        // values the list has
	nesting   int        // parentheses that are open
}

type wantKind uint8

const (
	wantNothing wantKind = iota
	wantAttribute
	wantOperator
	wantIn // behind "not" where an operator is due
	wantValue
	wantConnective // or the end, or a closing parenthesis
)

func tooLong(text string) *Error {
	return &Error{Text: text, Offset: 0, Length: 0, Message: fmt.Sprintf("the condition is longer than %d bytes", MaxText)}
}
