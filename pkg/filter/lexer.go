package filter

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// tokenKind is a kind of token.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenBad           // what no token can start with; the lexer's problem says why
	tokenWord
	tokenQuoted
	tokenAnd
	tokenOr
	tokenNot
	tokenOpen
	tokenClose
	tokenComma
	tokenCompare
)

// token is a piece of the text, text[offset:end].
type token struct {
	kind        tokenKind
	operator    operator // of a tokenCompare
	offset, end int
}

// lexer cuts a text into tokens. It knows no words: whether "in" is an operator, a direction or the name of an
// interface depends on where it stands, which is the parser's business.
type lexer struct {
	text     string
	position int
	problem  string // set with tokenBad
}

// What a byte means to the lexer.
const (
	classWord uint8 = iota
	classSpace
	classMark // a token, or the start of one, by itself
	classControl
	classMultibyte
)

var byteClass = func() (classes [256]uint8) {
	for i := range classes {
		switch {
		case i < ' ' || i == 0x7f:
			classes[i] = classControl
		case i >= utf8.RuneSelf:
			classes[i] = classMultibyte
		}
	}
	for _, b := range []byte(" \t\n\v\f\r") {
		classes[b] = classSpace
	}
	for _, b := range []byte("!=<>&|*+()[]{},\"'") {
		classes[b] = classMark
	}
	return classes
}()

// next returns the token at the position and moves behind it.
func (l *lexer) next() token {
	l.skipSpace()
	start := l.position
	if start >= len(l.text) {
		return token{kind: tokenEnd, offset: start, end: start}
	}
	var t token
	if byteClass[l.text[start]] == classMark {
		t = l.mark(l.text[start])
	} else {
		t = l.word()
	}
	if t.kind != tokenBad {
		t.offset, t.end = start, l.position
	}
	return t
}

func (l *lexer) skipSpace() {
	for l.position < len(l.text) {
		switch byteClass[l.text[l.position]] {
		case classSpace:
			l.position++
		case classMultibyte:
			r, size := utf8.DecodeRuneInString(l.text[l.position:])
			if !unicode.IsSpace(r) {
				return
			}
			l.position += size
		default:
			return
		}
	}
}

// word takes the run of characters that are neither white space nor marks.
func (l *lexer) word() token {
	start := l.position
	for l.position < len(l.text) {
		switch byteClass[l.text[l.position]] {
		case classWord:
			l.position++
			continue
		case classMultibyte, classControl:
			r, size := utf8.DecodeRuneInString(l.text[l.position:])
			if unicode.IsSpace(r) {
				return token{kind: tokenWord}
			}
			if problem := unprintable(r, size); problem != "" {
				if l.position > start {
					return token{kind: tokenWord} // the bad character is the next token
				}
				return l.bad(problem, start, start+size)
			}
			l.position += size
			continue
		}
		break
	}
	return token{kind: tokenWord}
}

// unprintable says what is wrong with a character that may not stand in a condition as it is.
func unprintable(r rune, size int) string {
	switch {
	case r == utf8.RuneError && size <= 1:
		return "the text is not valid UTF-8 here"
	case !unicode.IsPrint(r):
		return fmt.Sprintf("unexpected character %U", r)
	}
	return ""
}

// bad is the token of a fault at text[offset:end]. It ends the lexer's work.
func (l *lexer) bad(problem string, offset, end int) token {
	l.problem = problem
	l.position = len(l.text)
	return token{kind: tokenBad, offset: offset, end: end}
}

// mark takes a token that starts with a mark.
func (l *lexer) mark(b byte) token {
	if b == '"' || b == '\'' {
		return l.quoted(b)
	}
	l.position++
	switch b {
	case '(', '[', '{':
		return token{kind: tokenOpen}
	case ')', ']', '}':
		return token{kind: tokenClose}
	case ',':
		return token{kind: tokenComma}
	case '*':
		return token{kind: tokenAnd}
	case '+':
		return token{kind: tokenOr}
	case '&':
		l.accept('&')
		return token{kind: tokenAnd}
	case '|':
		l.accept('|')
		return token{kind: tokenOr}
	}
	return l.comparison(b)
}

// comparison takes an operator that starts with !, =, < or >.
func (l *lexer) comparison(b byte) token {
	hasEqual := l.accept('=')
	switch {
	case b == '<' && hasEqual:
		return token{kind: tokenCompare, operator: lessEqual}
	case b == '<':
		return token{kind: tokenCompare, operator: less}
	case b == '>' && hasEqual:
		return token{kind: tokenCompare, operator: greaterEqual}
	case b == '>':
		return token{kind: tokenCompare, operator: greater}
	case b == '!' && !hasEqual:
		return token{kind: tokenNot}
	case b == '!':
		l.accept('=') // !==
		return token{kind: tokenCompare, operator: notEqual}
	}
	if hasEqual {
		l.accept('=') // ===
	}
	return token{kind: tokenCompare, operator: equal}
}

func (l *lexer) accept(b byte) bool {
	if l.position < len(l.text) && l.text[l.position] == b {
		l.position++
		return true
	}
	return false
}

// quoted takes text within quotes. Between double quotes the escapes of a Go string are known, between single
// quotes none.
func (l *lexer) quoted(quote byte) token {
	start := l.position
	l.position++
	for l.position < len(l.text) {
		b := l.text[l.position]
		switch {
		case b == quote:
			l.position++
			return token{kind: tokenQuoted}
		case b == '\n' || b == '\r':
			return l.bad("the quoted text is not closed on its line", start, l.position)
		case b == '\\' && quote == '"' && l.position+1 < len(l.text) && l.text[l.position+1] < utf8.RuneSelf:
			l.position++ // whatever is escaped, it does not close the text
		case byteClass[b] >= classControl:
			r, size := utf8.DecodeRuneInString(l.text[l.position:])
			if problem := unprintable(r, size); problem != "" && !unicode.IsSpace(r) {
				return l.bad(problem+" in quoted text", l.position, l.position+size)
			}
			l.position += size - 1
		}
		l.position++
	}
	return l.bad("the quoted text is not closed", start, len(l.text))
}

// unquote returns what a quoted token says.
func unquote(quoted string) (string, bool) {
	if quoted[0] == '\'' {
		return quoted[1 : len(quoted)-1], true
	}
	value, err := strconv.Unquote(quoted)
	return value, err == nil
}

// plainWord says that s reads as one word, without quotes, and holds no wildcard.
func plainWord(s string) bool {
	for _, r := range s {
		if r == '?' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r) ||
			r < utf8.RuneSelf && byteClass[r] != classWord {
			return false
		}
	}
	return s != ""
}

// Quote writes a text as a value of the language: as it is where that reads as one word, else within quotes. A
// quoted text has no wildcards.
func Quote(s string) string {
	if plainWord(s) {
		return s
	}
	return strconv.Quote(s)
}
