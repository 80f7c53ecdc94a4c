package inventory

import (
	"path"
	"testing"
)

// Globs are those of the path package, where that one has the same.
func TestMatch(t *testing.T) {
	texts := []string{"", "a", "ab", "abc", "aabb", "abab", "ba", "b*"}
	var patterns []string
	for _, a := range []string{"", "a", "b", "*", "?", "**"} {
		for _, b := range []string{"", "a", "b", "*", "?"} {
			for _, c := range []string{"", "a", "b", "*", "?"} {
				patterns = append(patterns, a+b+c)
			}
		}
	}
	for _, p := range patterns {
		for _, text := range texts {
			if want, _ := path.Match(p, text); Match(p, text) != want {
				t.Errorf("%q and %q: %v", p, text, !want)
			}
		}
	}
}
