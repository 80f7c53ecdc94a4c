package capture

import (
	"errors"
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Any is the pattern that stands for every interface but the loopback interface.
const Any = "any"

// loopback is the name of the loopback interface on Linux: captured only where a pattern names it.
const loopback = "lo"

// Interfaces lists the names of the machine's interfaces, up or down, sorted.
func Interfaces() ([]string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := make([]string, len(list))
	for i, device := range list {
		names[i] = device.Name
	}
	slices.Sort(names)
	return names, nil
}

// Match selects from the existing interfaces those that match a pattern and no exclusion, in the order of
// existing. A pattern is a name, "any" (every interface but lo), a glob (eth*, en?, [ab]0) or a regular
// expression between slashes, which matches anywhere in the name (/^veth/). unmatched lists the patterns that no
// existing interface matches, excluded or not. An error says which pattern cannot be read; it does not depend on
// existing.
func Match(patterns, exclude, existing []string) (matched, unmatched []string, err error) {
	include, err := compile(patterns)
	if err != nil {
		return nil, nil, fmt.Errorf("interfaces: %w", err)
	}
	without, err := compile(exclude)
	if err != nil {
		return nil, nil, fmt.Errorf("excluded interfaces: %w", err)
	}
	hit := make([]bool, len(include))
	for _, name := range existing {
		selected := false
		for i, matches := range include {
			if matches(name) {
				hit[i], selected = true, true
			}
		}
		excluded := slices.ContainsFunc(without, func(matches matcher) bool { return matches(name) })
		if selected && !excluded && !slices.Contains(matched, name) {
			matched = append(matched, name)
		}
	}
	for i, pattern := range patterns {
		if !hit[i] {
			unmatched = append(unmatched, pattern)
		}
	}
	return matched, unmatched, nil
}

type matcher func(name string) bool

func compile(patterns []string) ([]matcher, error) {
	matchers := make([]matcher, len(patterns))
	var faults []error
	for i, pattern := range patterns {
		var err error
		if matchers[i], err = compileOne(pattern); err != nil {
			faults = append(faults, err)
		}
	}
	return matchers, errors.Join(faults...)
}

func compileOne(pattern string) (matcher, error) {
	switch {
	case pattern == "" || strings.TrimSpace(pattern) != pattern:
		return nil, fmt.Errorf("%q is not an interface name", pattern)
	case pattern == Any:
		return func(name string) bool { return name != loopback }, nil
	case strings.HasPrefix(pattern, "/"):
		if len(pattern) < 3 || !strings.HasSuffix(pattern, "/") {
			return nil, fmt.Errorf("%q: a regular expression stands between two slashes", pattern)
		}
		expression, err := regexp.Compile(pattern[1 : len(pattern)-1])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", pattern, err)
		}
		return expression.MatchString, nil
	case strings.ContainsAny(pattern, `*?[\`):
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%q: %w", pattern, err)
		}
		return func(name string) bool { ok, _ := path.Match(pattern, name); return ok }, nil
	}
	return func(name string) bool { return name == pattern }, nil
}
