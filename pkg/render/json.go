package render

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/weirflow/weir/pkg/wire"
)

// JSON writes the result as the contract's object, on one line. Characters that act on a terminal are written as
// escapes, which mean the same to whoever reads JSON.
func JSON(w io.Writer, r *wire.Result) error {
	if err := r.WriteJSON(inertJSON{w}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// InertJSON is a writer of JSON in which characters that act on a terminal are escaped, as JSON does. Each write has to
// hold whole characters, as those of an encoder do.
func InertJSON(w io.Writer) io.Writer { return inertJSON{w} }

// inertJSON escapes characters that do not print, such as the control characters of C1 and those that turn the
// direction of text. Each write has to hold whole characters; outside of strings JSON has none of them.
type inertJSON struct{ w io.Writer }

func (i inertJSON) Write(text []byte) (int, error) {
	if _, err := i.w.Write(escapeJSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// escapeJSON returns the text itself if there is nothing to escape.
func escapeJSON(text []byte) []byte {
	var escaped []byte
	copied := 0
	for at := 0; at < len(text); {
		if text[at] < 0x7f {
			at++
			continue
		}
		r, width := utf8.DecodeRune(text[at:])
		if !unicode.IsPrint(r) {
			escaped = append(escaped, text[copied:at]...)
			if high, low := utf16.EncodeRune(r); r > 0xffff {
				escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
			} else {
				escaped = fmt.Appendf(escaped, `\u%04x`, r)
			}
			copied = at + width
		}
		at += width
	}
	if copied == 0 {
		return text
	}
	return append(escaped, text[copied:]...)
}
