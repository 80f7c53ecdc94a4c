// Package actors reads lists of addresses that somebody wants to know about: the indicators of a threat report, a
// blocklist, the addresses of a partner. A list is a set of prefixes with a content hash, by which a server knows
// whether it has it, and with its health: what could not be read, what it says that it should not, whether it is empty.
//
// Invariants: memory is bounded by MaxBytes and MaxEntries before it is taken; a line that cannot be read is counted
// and named, never dropped in silence; equal sets have equal hashes, in whatever order and format they came.
//
// What a list says of its entries (label, source, confidence, port, validity) is no part of the set: it is for reports.
//
// Neighbours: filter asks a list as a Set ("sip = @name"), serve takes uploads, the command line checks files.
package actors

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/weirflow/weir/pkg/lookup"
)

// Bounds of one list.
const (
	MaxBytes   = 32 << 20
	MaxEntries = 1 << 20
	maxLine    = 4 << 10
)

// List is a set of addresses. It is immutable and safe for concurrent use.
type List struct {
	hash   string
	health Health
	// The entries, each sorted and none twice: addresses of either family, and prefixes.
	list4    []uint32
	list6    [][16]byte
	networks []netip.Prefix
	// The same to ask: addresses in hash tables, prefixes in a trie, which takes ten times as long.
	set4 lookup.Set4
	set6 lookup.Set6
	trie *bart.Lite // nil: no prefixes
	// What is said of the entries, in their order, and the texts of it.
	details []detail
	texts   []string
}

// ErrEmpty says that a list holds no address. A query with it would find nothing, whatever happened.
var ErrEmpty = errors.New("the list holds no address")

// Parse reads a list in the named format, or finds the format out where the name is empty. The list comes with the
// error ErrEmpty, too: its health says why nothing is in it.
func Parse(data []byte, format string) (*List, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("the list has %d bytes, more than the limit of %d", len(data), MaxBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // byte order mark
	f, err := findFormat(data, format)
	if err != nil {
		return nil, err
	}
	p := &parser{health: Health{Format: f.name}}
	if err := f.read(p, data); err != nil {
		return nil, err
	}
	l := p.list()
	if l.Len() == 0 {
		return l, ErrEmpty
	}
	return l, nil
}

// parser collects the entries and faults of one text.
type parser struct {
	list4    []uint32
	list6    [][16]byte
	networks []netip.Prefix
	details  []detail
	texts    vocabulary
	health   Health
	full     bool // there are more entries than MaxEntries
	taken    int  // entries as they are written down
	claimed  int  // entries that the list says it has, if it claims some
	claims   bool
}

// take books an entry that is written down as an address, a prefix or a range.
func (p *parser) take(text string, e *Entry) error {
	if strings.IndexByte(text, '-') < 0 { // as nearly all are
		prefix, err := parsePrefix(text)
		if err != nil {
			return err
		}
		return p.book(e, prefix)
	}
	prefixes, err := parseRange(text)
	if err != nil {
		return err
	}
	return p.book(e, prefixes...)
}

func (p *parser) book(e *Entry, prefixes ...netip.Prefix) error {
	if len(p.list4)+len(p.list6)+len(p.networks)+len(prefixes) > MaxEntries {
		p.full = true
		return nil
	}
	for _, prefix := range prefixes {
		p.add(prefix)
		p.addDetail(prefix, e)
	}
	p.taken++
	return nil
}

func (p *parser) add(prefix netip.Prefix) {
	switch a := prefix.Addr(); {
	case !prefix.IsSingleIP():
		p.networks = append(p.networks, prefix)
	case a.Is4():
		b := a.As4()
		p.list4 = append(p.list4, binary.BigEndian.Uint32(b[:]))
	default:
		p.list6 = append(p.list6, a.As16())
	}
}

// parsePrefix reads an address or a prefix. What a prefix has beyond its length is cut off, as in conditions.
func parsePrefix(text string) (netip.Prefix, error) {
	if six, ok := lookup.Parse6(text); ok {
		address := netip.AddrFrom16(six).Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.Prefix{}, error(nil)
	if strings.Contains(text, "/") {
		prefix, err = netip.ParsePrefix(text)
	}
	if !prefix.IsValid() {
		var address netip.Addr
		if err == nil {
			address, err = netip.ParseAddr(text)
		}
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix", clip(text))
		}
		if address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q has a zone, which means something on one host only", clip(text))
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	if a := prefix.Addr(); a.Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q covers more than the IPv4 addresses it is written with", clip(text))
		}
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// list sorts what was read and makes the set of it.
func (p *parser) list() *List {
	read := len(p.list4) + len(p.list6) + len(p.networks)
	lookup.Sort(p.list4, func(a *uint32) (uint64, uint64) { return uint64(*a) << 32, 0 }, cmp.Compare)
	lookup.Sort(p.list6, lookup.Numbers6, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	slices.SortFunc(p.networks, netip.Prefix.Compare)
	l := &List{
		list4: slices.Compact(p.list4), list6: slices.Compact(p.list6), networks: slices.Compact(p.networks),
		health: p.health,
	}
	l.set4, l.set6 = lookup.New4(l.list4), lookup.New6(l.list6)
	for _, n := range l.networks {
		if l.trie == nil {
			l.trie = new(bart.Lite)
		}
		l.trie.Insert(n)
	}
	l.texts = p.texts.texts
	l.orderDetails(p.details)
	sum := sha256.Sum256(l.Text())
	l.hash = hex.EncodeToString(sum[:])
	l.health.Hash, l.health.Duplicates = l.hash, read-l.Len()
	if p.claims && p.claimed != p.taken {
		l.health.Warnings = append(l.health.Warnings, fmt.Sprintf("the list says that it has %d entries, and %d were read: is it complete?", p.claimed, p.taken))
	}
	l.health.judge(l)
	return l
}

// Contains says whether the address is in the list. It makes the list a filter.Set.
func (l *List) Contains(a netip.Addr) bool {
	if a.Is4In6() {
		a = a.Unmap()
	}
	var found bool
	if a.Is4() {
		b := a.As4()
		found = l.set4.Contains(binary.BigEndian.Uint32(b[:]))
	} else if a.IsValid() {
		b := a.As16()
		found = l.set6.Contains(lookup.Numbers6(&b))
	}
	return found || l.trie != nil && l.trie.Contains(a.WithZone(""))
}

// Hash is the SHA-256 of the list's Text, in hexadecimal digits. It is a valid name in conditions.
func (l *List) Hash() string { return l.hash }

// Len is the number of entries.
func (l *List) Len() int { return len(l.list4) + len(l.list6) + len(l.networks) }

// Prefixes are the entries: addresses of IPv4, of IPv6, then prefixes, each in order.
func (l *List) Prefixes() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for _, n := range l.list4 {
			if !yield(netip.PrefixFrom(address4(n), 32)) {
				return
			}
		}
		for _, b := range l.list6 {
			if !yield(netip.PrefixFrom(netip.AddrFrom16(b), 128)) {
				return
			}
		}
		for _, n := range l.networks {
			if !yield(n) {
				return
			}
		}
	}
}

func address4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// Text is the list in its plain form: one entry a line, in the order of Prefixes, addresses without a length.
func (l *List) Text() []byte {
	b := make([]byte, 0, 16*len(l.list4)+40*(len(l.list6)+len(l.networks)))
	for p := range l.Prefixes() {
		if p.IsSingleIP() {
			b = append(p.Addr().AppendTo(b), '\n')
		} else {
			b = append(p.AppendTo(b), '\n')
		}
	}
	return b
}

// Health says what is wrong with the list, if anything.
func (l *List) Health() Health { return l.health }

func clip(text string) string {
	if len(text) > 64 {
		return text[:64] + "…"
	}
	return text
}
