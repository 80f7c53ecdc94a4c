package inventory

import "strings"

// Match says that a text matches a pattern, in which * stands for any bytes and ? for one. It takes a time of at
// most both lengths multiplied: on a mismatch the last star takes one byte more.
func Match(pattern, text string) bool {
	p, t := 0, 0
	star, taken := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, taken = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			taken++
			p, t = star+1, taken
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
