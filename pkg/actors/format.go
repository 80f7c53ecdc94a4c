package actors

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// format is a way to write a list down. A new one is a row in formats: one that is read by the line has a lineReader,
// one that is a document as a whole, as MISP's events and STIX bundles are, reads it by itself and calls take for
// each entry and fault for what cannot be read.
type format struct {
	name string
	// detect says whether a text that begins so is of this format.
	detect func(h *head) bool
	read   func(p *parser, data []byte) error
}

// formats are tried in this order. The last one takes everything.
func formats() []format {
	return []format{
		{"firehol", isFireHOL, byLine(newFireHOL)}, // of others' lists, which it names
		{"drop-json", isDropJSON, byLine(newDropJSON)},
		{"feodo", isFeodo, byLine(newFeodo)},
		{"drop", isDrop, byLine(newDrop)},
		{"csv", func(h *head) bool { return strings.ContainsAny(h.first, ",\t") }, byLine(newCSV)},
		{"plain", func(*head) bool { return true }, byLine(func(*parser) lineReader { return readPlain })},
	}
}

// FormatNames are the names of all formats, in the order of the alphabet.
func FormatNames() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

// head is the beginning of a text.
type head struct {
	comments string // above the first line that is none
	first    string // line that is neither blank nor a comment, without comments
}

// maxHead bounds the comments that are looked at to find the format.
const maxHead = 8 << 10

func headOf(data []byte) *head {
	h := &head{}
	var comments strings.Builder
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line[:min(len(line), maxLine)]))
		if h.first = uncommented(text); h.first != "" {
			break
		}
		if comments.Len() < maxHead {
			comments.WriteString(text)
			comments.WriteByte('\n')
		}
	}
	h.comments = comments.String()
	return h
}

func findFormat(data []byte, name string) (format, error) {
	h := headOf(data)
	for _, f := range formats() {
		if f.name == name || name == "" && f.detect(h) {
			return f, nil
		}
	}
	return format{}, fmt.Errorf("unknown format %q of a list: expected one of %s", clip(name), strings.Join(FormatNames(), ", "))
}

// lineReader finds the entry of one line: its address, prefix or range as text, and what else it says; no text where
// the line has none, such as a comment.
type lineReader func(line string) (text string, e Entry, err error)

// byLine reads a text line by line.
func byLine(newReader func(p *parser) lineReader) func(p *parser, data []byte) error {
	return func(p *parser, data []byte) error {
		read := newReader(p)
		for line := range bytes.Lines(data) {
			p.health.Lines++
			if len(line) > maxLine {
				p.fault(string(line[:32]), fmt.Errorf("the line is longer than %d bytes", maxLine))
				continue
			}
			trimmed := string(bytes.TrimSpace(line))
			text, e, err := read(trimmed)
			if err == nil && text != "" {
				err = p.take(text, &e)
			}
			if p.full {
				return fmt.Errorf("line %d: more than %d entries", p.health.Lines, MaxEntries)
			}
			if err != nil {
				p.fault(trimmed, err)
			}
		}
		return nil
	}
}

// uncommented is a line without what follows a comment sign (FireHOL has #, Spamhaus has ;) and without blanks around.
func uncommented(line string) string {
	for i := range len(line) {
		if line[i] == '#' || line[i] == ';' {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// readPlain takes the first word of a line, and no second one: a line of prose is no entry. Blanks around the dash of
// a range are none.
func readPlain(line string) (string, Entry, error) {
	text := uncommented(line)
	if oneWord(text) {
		return text, Entry{}, nil
	}
	switch words := strings.Fields(text); {
	case len(words) == 3 && words[1] == "-":
		return strings.Join(words, ""), Entry{}, nil
	}
	return "", Entry{}, fmt.Errorf("%q: expected one address or prefix", clip(line))
}

// oneWord says whether a text has no blanks in it.
func oneWord(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= utf8.RuneSelf {
			return strings.IndexFunc(text[i:], unicode.IsSpace) < 0
		}
	}
	return true
}
