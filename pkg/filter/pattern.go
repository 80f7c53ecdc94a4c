package filter

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// pattern is a text with wildcards, as pieces: literal text, "any text" and "any character".
type pattern []piece

type piece struct {
	kind pieceKind
	text string // of a literal
}

type pieceKind uint8

const (
	literal pieceKind = iota
	anyText           // *
	anyOne            // ?
)

// patterns reads the value of a term on text.
func (p *parser) patterns(a *attribute, o operator, t *Term) *Error {
	fold := foldsCase(a.terms[0])
	return p.list(a, o, t, func(w want) *Error {
		next, err := p.pattern(w, fold)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(t.patterns, func(known pattern) bool { return slices.Equal(known, next) }) {
			t.patterns = append(t.patterns, next)
		}
		return nil
	})
}

// foldsCase says that upper and lower case are the same in the attribute's values. They are for host names (RFC
// 4343) and UUIDs, not for interfaces, whose names the kernel tells apart, nor for what an operator wrote.
func foldsCase(a Attribute) bool { return a == HostName || a == HostID }

// pattern takes one value: words, quoted texts and stars that touch each other are one value, as in a shell.
func (p *parser) pattern(w want, fold bool) (pattern, *Error) {
	var result pattern
	for first := true; first || p.token.offset == p.previousEnd; first = false {
		star := p.token.kind == tokenAnd && p.spelling(p.token) == "*"
		if !first && !star && p.token.kind != tokenWord && p.token.kind != tokenQuoted {
			break
		}
		if star {
			result = result.add(piece{kind: anyText})
			p.advance()
			continue
		}
		text, quoted, err := p.operand(w)
		if err != nil {
			return nil, err
		}
		if fold {
			text = strings.ToLower(text)
		}
		if quoted {
			result = result.add(piece{text: text})
			continue
		}
		for i, part := range strings.Split(text, "?") {
			if i > 0 {
				result = result.add(piece{kind: anyOne})
			}
			result = result.add(piece{text: part})
		}
	}
	if len(result) == 0 {
		result = pattern{{}}
	}
	return result, nil
}

// add appends a piece in canonical form: no empty literal, no two literals or stars in a row.
func (pt pattern) add(next piece) pattern {
	if next.kind == literal && next.text == "" {
		return pt
	}
	if n := len(pt); n > 0 && pt[n-1].kind == next.kind && next.kind != anyOne {
		pt[n-1].text += next.text
		return pt
	}
	return append(pt, next)
}

// match says whether the whole of s fits, in time bounded by len(s) × len(pt).
func (pt pattern) match(s string) bool {
	at, i := 0, 0          // how much of s and of pt is matched
	star, starEnd := -1, 0 // the last star, and the end of what it stands for
	for at < len(s) || i < len(pt) {
		if i < len(pt) {
			if pt[i].kind == anyText {
				star, starEnd = i, at
				i++
				continue
			}
			if n, ok := pt[i].prefix(s[at:]); ok {
				at += n
				i++
				continue
			}
		}
		if star < 0 || starEnd == len(s) {
			return false
		}
		_, size := utf8.DecodeRuneInString(s[starEnd:])
		starEnd += size
		at, i = starEnd, star+1
	}
	return true
}

// prefix says how many bytes at the start of s a literal or an "any character" takes.
func (p piece) prefix(s string) (int, bool) {
	if p.kind == anyOne {
		_, size := utf8.DecodeRuneInString(s)
		return size, size > 0
	}
	return len(p.text), strings.HasPrefix(s, p.text)
}
