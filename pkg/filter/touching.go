package filter

import (
	"net/netip"
	"strconv"
	"strings"
)

// plainEntries is the number of ranges up to which a set given as a list of texts is shown in full.
const plainEntries = 16

// And is the condition that holds where both hold. Errors found later point into the text of a; what b refers to has
// to be resolved before.
func And(a, b *Condition) *Condition {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	root := &Node{kind: All}
	root.operands = append(append(root.operands, operandsOf(a.root)...), operandsOf(b.root)...)
	return &Condition{text: a.text, root: root}
}

// EntryError is a fault in one of the texts of Touching.
type EntryError struct {
	Index   int
	Message string
}

// Touching is the condition that an address of a flow, of either side, is in the set of all entries: addresses,
// networks and ranges of addresses. A set too large for people to read is shown as "host in @alias". Of the errors
// there are 16 at most.
func Touching(alias string, entries []string) (*Condition, []EntryError) {
	s := &addressSet{}
	var faults []EntryError
	for i, entry := range entries {
		problem := "the set has more than " + strconv.Itoa(MaxItems) + " entries"
		if i < MaxItems {
			problem = s.addEntry(strings.TrimSpace(entry))
		}
		if problem == "" {
			continue
		}
		if faults = append(faults, EntryError{i, problem}); len(faults) == 16 || i >= MaxItems {
			break
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	s.merge()
	if len(s.v4)+len(s.v6) > plainEntries {
		s.alias = alias
	}
	return touching(s), nil
}

// TouchingList is the condition "host in @name"; nil if that is no name of a list.
func TouchingList(name string) *Condition {
	if !ValidListName(name) {
		return nil
	}
	return touching(&addressSet{lists: []list{{reference: reference{name: name}}}})
}

func touching(s *addressSet) *Condition {
	either := &Node{kind: Any}
	for _, attribute := range []Attribute{Source, Destination} {
		either.operands = append(either.operands, &Node{kind: Leaf, term: &Term{attribute: attribute, operator: equal, addresses: s}})
	}
	return &Condition{root: either}
}

// addEntry adds an address, a network or a range.
func (s *addressSet) addEntry(entry string) (problem string) {
	if address, err := netip.ParseAddr(entry); err == nil {
		if address.Zone() != "" {
			return show(entry) + ": an address of a set has no zone"
		}
		s.addRange(address, address)
		return ""
	}
	if strings.ContainsRune(entry, '/') {
		return s.addNetwork(entry)
	}
	if from, to, found := strings.Cut(entry, "-"); found {
		if first, err := netip.ParseAddr(from); err == nil {
			return s.addAddressRange(entry, first, to)
		}
	}
	return show(entry) + " is no address, network or range of addresses"
}
