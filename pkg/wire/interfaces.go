package wire

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Bounds on an interface selection, in bytes.
const (
	maxInterfaceText = 4 << 10
	maxInterfaceName = 64
	maxInterfaceRE   = 256
)

// InterfaceSelection says which interfaces a query is about. The zero value selects none. It is immutable.
type InterfaceSelection struct {
	any              bool
	include, exclude []string
	pattern          *regexp.Regexp
}

// isInner says that an interface holds what a tunnel on another one carries (eth0~vxlan.42), so that its packets are in
// that one's, too.
func isInner(name string) bool { return strings.Contains(name, "~") }

// ParseInterfaces reads "any", a list of names of which those after an exclamation mark are left out
// ("eth0,eth1", "any,!lo"), or a regular expression between slashes ("/^eth[0-3]$/", RE2, not anchored).
func ParseInterfaces(text string) (InterfaceSelection, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return InterfaceSelection{}, errors.New("no interface is named: expected any, a list such as eth0,eth1 or any,!lo, or /regular expression/")
	case len(text) > maxInterfaceText:
		return InterfaceSelection{}, fmt.Errorf("the list of interfaces has %d bytes, more than the limit of %d", len(text), maxInterfaceText)
	case text[0] == '/':
		return parsePattern(text)
	}
	var s InterfaceSelection
	for part := range strings.SplitSeq(text, ",") {
		name, negated := strings.CutPrefix(strings.TrimSpace(part), "!")
		if err := checkInterface(name); err != nil {
			return InterfaceSelection{}, err
		}
		all := strings.EqualFold(name, "any")
		switch {
		case all && negated:
			return InterfaceSelection{}, errors.New("!any leaves no interface")
		case all:
			s.any = true
		case negated:
			s.exclude = append(s.exclude, name)
		default:
			s.include = append(s.include, name)
		}
	}
	if !s.any && len(s.include) == 0 {
		return InterfaceSelection{}, fmt.Errorf("%q leaves interfaces out but selects none: did you mean %q?", text, "any,"+text)
	}
	return s.normal(), nil
}

func parsePattern(text string) (InterfaceSelection, error) {
	inner, closed := strings.CutSuffix(text[1:], "/")
	switch {
	case !closed:
		return InterfaceSelection{}, fmt.Errorf("the regular expression %q has no closing slash", text)
	case inner == "":
		return InterfaceSelection{}, errors.New("the regular expression // is empty: write any for all interfaces")
	case len(inner) > maxInterfaceRE:
		return InterfaceSelection{}, fmt.Errorf("the regular expression has %d bytes, more than the limit of %d", len(inner), maxInterfaceRE)
	}
	pattern, err := regexp.Compile(inner)
	if err != nil {
		return InterfaceSelection{}, fmt.Errorf("invalid regular expression %q: %s", text, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return InterfaceSelection{pattern: pattern}, nil
}

func checkInterface(name string) error {
	if name == "" {
		return errors.New("empty name in the list of interfaces")
	}
	if len(name) > maxInterfaceName {
		return fmt.Errorf("interface name %q… has %d bytes, more than the limit of %d", name[:16], len(name), maxInterfaceName)
	}
	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/\!*?[]{}()|^$"'<>&;`+"`", r) {
			return fmt.Errorf("invalid interface name %q: %q cannot stand in a name; for a pattern write a regular expression such as /^eth/", name, r)
		}
	}
	return nil
}

// normal sorts the lists and drops what has no effect.
func (s InterfaceSelection) normal() InterfaceSelection {
	if s.any {
		s.include = slices.DeleteFunc(s.include, func(name string) bool { return !isInner(name) })
	}
	slices.Sort(s.include)
	slices.Sort(s.exclude)
	s.include, s.exclude = slices.Compact(s.include), slices.Compact(s.exclude)
	return s
}

// Contains says whether the interface of that name is selected. What tunnels carry is never part of any, and of a
// pattern only where that has a tilde: it would count twice.
func (s InterfaceSelection) Contains(name string) bool {
	if s.pattern != nil {
		return s.pattern.MatchString(name) && (!isInner(name) || isInner(s.pattern.String()))
	}
	return (s.any && !isInner(name) || slices.Contains(s.include, name)) && !slices.Contains(s.exclude, name)
}

// Select returns those of the known interfaces that are selected, sorted, without duplicates.
func (s InterfaceSelection) Select(known []string) []string {
	var selected []string
	for _, name := range known {
		if s.Contains(name) {
			selected = append(selected, name)
		}
	}
	slices.Sort(selected)
	return slices.Compact(selected)
}

// String is the canonical text: ParseInterfaces makes an equal selection of it.
func (s InterfaceSelection) String() string {
	if s.pattern != nil {
		return "/" + s.pattern.String() + "/"
	}
	var parts []string
	if s.any {
		parts = append(parts, "any")
	}
	parts = append(parts, s.include...)
	for _, name := range s.exclude {
		parts = append(parts, "!"+name)
	}
	return strings.Join(parts, ",")
}
