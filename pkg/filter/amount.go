package filter

import (
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// multiple is a unit of counters. Like all words, units are read in any case.
type multiple struct {
	name      string
	factor    uint64
	bytesOnly bool
}

// multiples are printed from the top: the first that divides a number of bytes is taken.
var multiples = []multiple{
	{"TB", 1e12, true}, {"GB", 1e9, true}, {"MB", 1e6, true}, {"kB", 1e3, true},
	{"TiB", 1 << 40, true}, {"GiB", 1 << 30, true}, {"MiB", 1 << 20, true}, {"KiB", 1 << 10, true},
	{"B", 1, true}, {"T", 1e12, false}, {"G", 1e9, false}, {"M", 1e6, false}, {"k", 1e3, false},
}

// amount reads the value of a counter.
func (p *parser) amount(a *attribute, o operator, t *Term) *Error {
	taken := p.token
	word, quoted, err := p.operand(want{kind: wantValue, attribute: a, operator: o})
	if err != nil {
		return err
	}
	// A unit may stand apart: 10 MB.
	if next := p.token; !quoted && next.kind == tokenWord && isUnit(p.spelling(next), a.counter.unit) && endsInDigit(word) {
		word += p.spelling(next)
		taken.end = next.end
		p.advance()
	}
	value, problem := parseAmount(strings.ToLower(word), a.counter.unit)
	if problem != "" {
		return p.refuse(taken, a, show(word)+" "+problem)
	}
	t.counter, t.value = a.counter, value
	return nil
}

func endsInDigit(word string) bool { return word[len(word)-1] >= '0' && word[len(word)-1] <= '9' }

// isUnit says whether a word behind a number is its unit.
func isUnit(word string, unit flow.Type) bool {
	if unit == flow.TypeDuration {
		_, err := time.ParseDuration("1" + strings.ToLower(word))
		return err == nil
	}
	_, ok := factor(strings.ToLower(word), unit)
	return ok
}

// factor of a unit in lower case.
func factor(name string, unit flow.Type) (uint64, bool) {
	for _, m := range multiples {
		if strings.ToLower(m.name) == name && (!m.bytesOnly || unit == flow.TypeBytes) {
			return m.factor, true
		}
	}
	return 0, false
}

// parseAmount reads a number with a unit, both in lower case. A fraction of the smallest unit is rounded.
func parseAmount(word string, unit flow.Type) (value uint64, problem string) {
	if unit == flow.TypeDuration {
		d, err := time.ParseDuration(word)
		switch {
		case err != nil && strings.Trim(word, "0123456789.") == "":
			return 0, "has no unit"
		case err != nil || d < 0:
			return 0, "is no duration"
		}
		return uint64(d), ""
	}
	end := strings.IndexFunc(word, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	multiplier := uint64(1)
	if end >= 0 {
		var ok bool
		if multiplier, ok = factor(word[end:], unit); !ok {
			return 0, "is no number"
		}
		word = word[:end]
	}
	return scale(word, multiplier)
}

// scale multiplies a decimal number.
func scale(decimal string, multiplier uint64) (value uint64, problem string) {
	whole, fraction, dotted := strings.Cut(decimal, ".")
	if whole == "" || dotted && fraction == "" || len(fraction) > 18 {
		return 0, "is no number"
	}
	n, err := strconv.ParseUint(whole, 10, 64)
	high, low := bits.Mul64(n, multiplier)
	if err != nil || high > 0 {
		return 0, "is no number below 2^64"
	}
	if !dotted {
		return low, ""
	}
	parts, err := strconv.ParseUint(fraction, 10, 64)
	if err != nil {
		return 0, "is no number"
	}
	power := uint64(1)
	for range fraction {
		power *= 10
	}
	high, product := bits.Mul64(parts, multiplier)
	product, carry := bits.Add64(product, power/2, 0)
	quotient, _ := bits.Div64(high+carry, product, power)
	if low, carry = bits.Add64(low, quotient, 0); carry > 0 {
		return 0, "is no number below 2^64"
	}
	return low, ""
}

// printAmount writes a value so that parseAmount reads the same.
func printAmount(value uint64, unit flow.Type) string {
	switch {
	case unit == flow.TypeDuration:
		return time.Duration(value).String()
	case unit == flow.TypeBytes && value > 0:
		for _, m := range multiples {
			if m.bytesOnly && m.factor > 1 && value%m.factor == 0 {
				return strconv.FormatUint(value/m.factor, 10) + m.name
			}
		}
	}
	return strconv.FormatUint(value, 10)
}
