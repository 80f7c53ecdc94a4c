package queryargs

import (
	"strings"
	"unicode/utf8"
)

// Typed is a command line as far as it is typed, split as a shell does.
type Typed struct {
	Words []string // the words that are finished, without their quotation marks
	Last  string   // the word at the end, without its quotation marks; empty behind a blank
	Raw   string   // the same as it is typed
	Quote string   // the quotation mark that is open in it: ', " or $'; empty for none
	Open  int      // where in Last what stands in the open quotation marks begins
}

// Split splits what is typed of a command line by the rules that POSIX shells, zsh and fish share: blanks, '…', "…",
// backslashes; and $'…' as in Quote. Nothing is expanded.
func Split(line string) Typed {
	s := splitter{line: line}
	for s.position < len(line) {
		s.step()
	}
	s.typed.Last, s.typed.Raw = s.word.String(), line[s.start:]
	return s.typed
}

type splitter struct {
	line     string
	position int
	start    int // of the word
	inWord   bool
	word     strings.Builder
	typed    Typed
}

func (s *splitter) step() {
	rest := s.line[s.position:]
	switch quote := s.typed.Quote; {
	case quote == "":
		s.plain(rest)
	case rest[0] == quote[len(quote)-1]:
		s.typed.Quote, s.typed.Open = "", 0
		s.position++
	case rest[0] == '\\' && quote == `"`:
		if len(rest) > 1 && strings.IndexByte("$`\"\\", rest[1]) < 0 {
			s.take(1)
		} else {
			s.escaped(rest)
		}
	case rest[0] == '\\' && quote == "$'":
		s.octal(rest)
	default:
		s.take(1)
	}
}

// plain goes on outside of quotation marks.
func (s *splitter) plain(rest string) {
	switch {
	case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n':
		if s.inWord {
			s.typed.Words = append(s.typed.Words, s.word.String())
			s.word.Reset()
		}
		s.position++
		s.start, s.inWord = s.position, false
		return
	case rest[0] == '\'' || rest[0] == '"':
		s.open(rest[:1])
	case strings.HasPrefix(rest, "$'"):
		s.open(rest[:2])
	case rest[0] == '\\':
		s.escaped(rest)
	default:
		s.take(1)
	}
	s.inWord = true
}

func (s *splitter) open(quote string) {
	s.typed.Quote, s.typed.Open = quote, s.word.Len()
	s.position += len(quote)
}

func (s *splitter) take(n int) {
	s.word.WriteString(s.line[s.position : s.position+n])
	s.position += n
}

// escaped takes the character behind a backslash; one at the end of the line is nothing yet.
func (s *splitter) escaped(rest string) {
	s.position++
	_, width := utf8.DecodeRuneInString(rest[1:])
	s.take(width)
}

// octal takes an escape of $'…': up to three octal digits, or the character itself.
func (s *splitter) octal(rest string) {
	n, value := 1, 0
	for n < len(rest) && n < 4 && '0' <= rest[n] && rest[n] <= '7' {
		value = value<<3 | int(rest[n]-'0')
		n++
	}
	if n == 1 {
		s.escaped(rest)
		return
	}
	s.word.WriteByte(byte(value))
	s.position += n
}

// Complete is what is to be typed in place of Raw, from the open quotation mark on, so that the word becomes text: in
// the same quotation marks and without their end. What is typed already stays as it is, if text starts with it.
func (t Typed) Complete(text string) string {
	if t.Quote != "" {
		if len(text) < t.Open {
			return ""
		}
		return inQuotes(t.Quote, text[t.Open:])
	}
	if rest, ok := strings.CutPrefix(text, t.Last); ok {
		return t.Raw + escape(rest)
	}
	return escape(text)
}

func inQuotes(quote, text string) string {
	switch quote {
	case "'":
		return strings.ReplaceAll(text, "'", `'\''`)
	case "$'":
		return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text)
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text)
}

// escape puts a backslash before all that means something to a shell.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf && !isSafe(string(r)) && r != '=' && r != '%' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
