package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names returns the host names that need a lookup, in the order of the text, none twice.
func (c *Condition) Names() []string {
	return c.references(func(s *addressSet) []reference { return s.names })
}

// Lists returns the names of address lists that have no addresses yet, in the order of the text, none twice.
func (c *Condition) Lists() []string {
	return c.references(func(s *addressSet) []reference {
		var open []reference
		for _, l := range s.lists {
			if l.set == nil {
				open = append(open, l.reference)
			}
		}
		return open
	})
}

func (c *Condition) references(of func(*addressSet) []reference) []string {
	if c == nil {
		return nil
	}
	var names []string
	for t := range c.root.Terms {
		if t.addresses == nil {
			continue
		}
		for _, r := range of(t.addresses) {
			if !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
	}
	return names
}

// unresolved is the error of the first name or list that is still open, nil where there is none.
func (c *Condition) unresolved() *Error {
	for t := range c.root.Terms {
		if t.addresses == nil {
			continue
		}
		if names := t.addresses.names; len(names) > 0 {
			return c.fault(names[0], "the host name "+strconv.Quote(names[0].name)+" has not been looked up")
		}
		for _, l := range t.addresses.lists {
			if l.set == nil {
				return c.fault(l.reference, "the list @"+l.name+" is not known here")
			}
		}
	}
	return nil
}

func (c *Condition) fault(r reference, message string) *Error {
	return &Error{Text: c.text, Offset: r.offset, Length: r.length, Message: message}
}

// maxLookup bounds the addresses that one host name may have.
const maxLookup = 1024

// Resolve returns the condition with host names replaced by their addresses, so that its text shows them. Each
// name is looked up once, one after the other; to look them up at once, do so with Names before. A name with
// several addresses matches any of them, and negated none of them. The error, an *Error, points at the name that
// could not be looked up; what lookup returned is in its chain.
func (c *Condition) Resolve(lookup func(name string) ([]netip.Addr, error)) (*Condition, error) {
	known := make(map[string][]netip.Addr)
	return c.rewrite(func(s *addressSet) error {
		for _, r := range s.names {
			addresses, ok := known[r.name]
			if !ok {
				var err error
				if addresses, err = lookup(r.name); err == nil {
					err = checkLookup(addresses)
				}
				if err != nil {
					return c.failed(r, "looking up "+r.name, err)
				}
				known[r.name] = addresses
			}
			for _, a := range addresses {
				a = a.Unmap().WithZone("") // resolvers hand out IPv4 in both forms
				s.addRange(a, a)
			}
		}
		s.names = nil
		s.merge()
		return nil
	}, func(s *addressSet) bool { return len(s.names) > 0 })
}

func checkLookup(addresses []netip.Addr) error {
	switch {
	case len(addresses) == 0:
		return errors.New("it has no address")
	case len(addresses) > maxLookup:
		return fmt.Errorf("it has more than %d addresses", maxLookup)
	case slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.IsValid() }):
		return errors.New("the answer holds an invalid address")
	}
	return nil
}

// WithLists returns the condition with the sets of its named lists, which its text goes on to show by name. Each
// list is asked for once. The error, an *Error, points at the list that could not be had; what find returned is in
// its chain.
func (c *Condition) WithLists(find func(name string) (Set, error)) (*Condition, error) {
	known := make(map[string]Set)
	return c.rewrite(func(s *addressSet) error {
		for i, l := range s.lists {
			set := known[l.name]
			if set == nil {
				var err error
				if set, err = find(l.name); err == nil && set == nil {
					err = errors.New("there is no such list")
				}
				if err != nil {
					return c.failed(l.reference, "reading the list @"+l.name, err)
				}
				known[l.name] = set
			}
			s.lists[i].set = set
		}
		return nil
	}, func(s *addressSet) bool { return len(s.lists) > 0 })
}

// RenameLists returns the condition with other names for its lists. An error is that of rename, or says that what it
// returned is no name of a list.
func (c *Condition) RenameLists(rename func(name string) (string, error)) (*Condition, error) {
	return c.rewrite(func(s *addressSet) error {
		s.lists = slices.Clone(s.lists)
		for i, l := range s.lists {
			name, err := rename(l.name)
			if err == nil && TouchingList(name) == nil {
				err = fmt.Errorf("%q is no name of a list", name)
			}
			if err != nil {
				return c.failed(l.reference, "the list @"+l.name, err)
			}
			s.lists[i].name = name
		}
		return nil
	}, func(s *addressSet) bool { return len(s.lists) > 0 })
}

// rewrite copies the condition with its address sets changed, where they need it. Terms that share a set go on to
// share it.
func (c *Condition) rewrite(change func(*addressSet) error, needed func(*addressSet) bool) (*Condition, error) {
	if c == nil {
		return nil, nil
	}
	changed := make(map[*addressSet]*addressSet)
	root, err := c.root.mapTerms(func(t *Term) error {
		if t.addresses == nil || !needed(t.addresses) {
			return nil
		}
		if changed[t.addresses] == nil {
			set := t.addresses.clone()
			if err := change(set); err != nil {
				return err
			}
			changed[t.addresses] = set
		}
		t.addresses = changed[t.addresses]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Condition{text: c.text, root: root}, nil
}

// failed is the error of a reference that could not be followed.
func (c *Condition) failed(r reference, doing string, cause error) *Error {
	err := c.fault(r, doing+": "+printable(cause))
	err.cause = cause
	return err
}

// printable is the text of an error from outside, made harmless.
func printable(err error) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, err.Error())
}
