package fleet

import (
	"strings"

	"github.com/weirflow/weir/pkg/inventory"
)

// pattern is a text, or one with * for any characters and ? for one.
type pattern struct {
	text string
	glob bool
}

// alternatives cuts a value at its bars, those in quotes excepted.
func alternatives(text string) (list []string) {
	start, quoted := 0, false
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] == '"' {
			quoted = !quoted
		}
		if i == len(text) || text[i] == '|' && !quoted {
			list = append(list, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return list
}

// parseValue reads a value, which is one as it stands where it is in quotes.
func parseValue(text string) pattern {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return pattern{text: text[1 : len(text)-1]}
	}
	return pattern{text: text, glob: strings.ContainsAny(text, "*?")}
}

func (p pattern) matches(text string) bool {
	if !p.glob {
		return p.text == text
	}
	return inventory.Match(p.text, text)
}
