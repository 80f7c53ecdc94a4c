package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/lookup"
)

// addresses reads the value of a term on addresses.
func (p *parser) addresses(a *attribute, o operator, t *Term) *Error {
	s := &addressSet{}
	err := p.list(a, o, t, func(w want) *Error {
		taken := p.token
		word, quoted, err := p.operand(w)
		if err != nil {
			return err
		}
		if o == is || o == isNot {
			return p.class(taken, word, s)
		}
		return p.address(taken, word, quoted, a, s)
	})
	if err != nil {
		return err
	}
	s.merge()
	t.addresses = s
	return nil
}

// class reads what stands behind "is".
func (p *parser) class(taken token, word string, s *addressSet) *Error {
	c, ok := classByName[strings.ToLower(word)]
	if !ok {
		err := p.fault(taken, show(word)+" is no class of addresses")
		err.Expected = classNames()
		err.Nearest, _ = flow.Nearest(strings.ToLower(word), classNames())
		return err
	}
	s.classes |= c
	return nil
}

// hostAttribute is the attribute of single addresses beside each attribute of networks.
var hostAttribute = map[string]string{"snet": "sip", "dnet": "dip", "net": "host"}

// address adds one value to the set. Quoted text is an address, a network or a host name, never a range, class or
// list.
func (p *parser) address(taken token, word string, quoted bool, a *attribute, s *addressSet) *Error {
	if !quoted && word[0] == '@' {
		return p.asFault(taken, s.addList(taken, word))
	}
	if strings.IndexByte(word, '/') >= 0 {
		return p.asFault(taken, s.addNetwork(word))
	}
	if six, ok := lookup.Parse6(word); ok && !a.networks {
		n := address6{binary.BigEndian.Uint64(six[:8]), binary.BigEndian.Uint64(six[8:])}
		s.v6 = append(s.v6, range6{n, n})
		return nil
	}
	if addr, err := netip.ParseAddr(word); err == nil && addr.Zone() == "" {
		if a.networks {
			return p.fault(taken, fmt.Sprintf("%s has no prefix length; write %s/%d or compare %s", word, word, addr.BitLen(), hostAttribute[a.name]))
		}
		s.addRange(addr, addr)
		return nil
	}
	if strings.ContainsRune(word, '%') {
		return p.fault(taken, fmt.Sprintf("%s: an address in a condition has no zone", show(word)))
	}
	if a.networks {
		return p.refuse(taken, a, show(word)+" is no network")
	}
	if !quoted {
		if c, ok := classByName[strings.ToLower(word)]; ok {
			s.classes |= c
			return nil
		}
		if from, to, found := strings.Cut(word, "-"); found {
			if first, err := netip.ParseAddr(from); err == nil {
				return p.asFault(taken, s.addAddressRange(word, first, to))
			}
		}
	}
	return p.name(taken, strings.ToLower(word), a, s)
}

// asFault makes an error of a problem with a token, unless it is empty.
func (p *parser) asFault(taken token, problem string) *Error {
	if problem == "" {
		return nil
	}
	return p.fault(taken, problem)
}

func (s *addressSet) addNetwork(word string) (problem string) {
	prefix, err := netip.ParsePrefix(word)
	if err == nil {
		s.addPrefix(prefix)
		return ""
	}
	base, length, _ := strings.Cut(word, "/")
	addr, err := netip.ParseAddr(base)
	if err != nil || addr.Zone() != "" {
		return fmt.Sprintf("%s: %s is no address", show(word), show(base))
	}
	return fmt.Sprintf("%s: %s is no prefix length from 0 to %d", show(word), show(length), addr.BitLen())
}

func (s *addressSet) addAddressRange(word string, first netip.Addr, to string) (problem string) {
	last, err := netip.ParseAddr(to)
	switch {
	case err != nil || first.Zone() != "" || last.Zone() != "":
		return fmt.Sprintf("%s: %s is no address", show(word), show(to))
	case first.Is4() != last.Is4():
		return fmt.Sprintf("the range %s mixes IPv4 and IPv6", show(word))
	case last.Less(first):
		return fmt.Sprintf("the range %s ends before it starts", show(word))
	}
	s.addRange(first, last)
	return ""
}

// name adds a host name, and refuses more of them than a query may look up.
func (p *parser) name(taken token, name string, a *attribute, s *addressSet) *Error {
	if !validHostName(name) {
		return p.refuse(taken, a, show(name)+" is neither an address nor a host name")
	}
	if p.names == nil {
		p.names = make(map[string]struct{})
	}
	if p.names[name] = struct{}{}; len(p.names) > MaxNames {
		return p.fault(taken, fmt.Sprintf("more than %d host names", MaxNames))
	}
	if !slices.ContainsFunc(s.names, func(known reference) bool { return known.name == name }) {
		s.names = append(s.names, reference{name, taken.offset, taken.end - taken.offset})
	}
	return nil
}

func (s *addressSet) addList(taken token, word string) (problem string) {
	name := word[1:]
	if !ValidListName(name) {
		return show(word) + ": the name of a list is made of up to 64 letters, digits, dots, dashes and underscores"
	}
	if !slices.ContainsFunc(s.lists, func(known list) bool { return known.name == name }) {
		s.lists = append(s.lists, list{reference: reference{name, taken.offset, taken.end - taken.offset}})
	}
	return ""
}

// validHostName says whether a name in lower case can be looked up (RFC 1123 §2.1, and underscores, as in SRV
// names). The last label holds a letter, so that a mistyped address is no name.
func validHostName(name string) bool {
	labels := strings.TrimSuffix(name, ".")
	if labels == "" || len(labels) > 253 {
		return false
	}
	letter := false
	for label := range strings.SplitSeq(labels, ".") {
		letter = false
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			isLetter := c >= 'a' && c <= 'z' || c == '_'
			letter = letter || isLetter
			if !isLetter && c != '-' && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return letter
}

// ValidListName says that a name can stand after "@": 1 to 64 letters of ASCII, digits, dots, dashes and underscores.
func ValidListName(name string) bool {
	for _, c := range []byte(name) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return name != "" && len(name) <= 64
}
