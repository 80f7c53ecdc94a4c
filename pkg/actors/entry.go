package actors

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirflow/weir/pkg/flow"
)

// Entry is what a list says of a prefix. Only the prefix decides whether an address is in the list.
type Entry struct {
	Prefix netip.Prefix
	// Port and Protocol are where the address is said to do harm; 0: not said.
	Port     uint16
	Protocol flow.Protocol
	Label    string // what it is: the name of malware, of a campaign, of an entry elsewhere
	Source   string // who says so
	// Confidence is in percent; 0: not said.
	Confidence uint8
	// From and Until bound the time for which it is said; zero: no bound.
	From, Until time.Time
}

// detail is an Entry in a few bytes.
type detail struct {
	prefix     netip.Prefix // while the list is read
	entry      uint32       // its number in the order of Prefixes
	label      uint32       // of texts, 0 for none
	source     uint32
	port       uint16
	protocol   flow.Protocol
	confidence uint8
	from       int64 // Unix seconds, 0 for no bound
	until      int64
}

// maxText bounds a label or a source.
const maxText = 120

// vocabulary numbers texts, so that one that stands at a hundred thousand entries is kept once.
type vocabulary struct {
	numbers map[string]uint32
	texts   []string // [0] is empty
}

func (v *vocabulary) number(text string) uint32 {
	text = strings.TrimSpace(text)
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if text == "" {
		return 0
	}
	if v.numbers == nil {
		v.numbers, v.texts = map[string]uint32{}, []string{""}
	}
	n, known := v.numbers[text]
	if !known {
		n = uint32(len(v.texts))
		text = strings.Clone(text)
		v.texts, v.numbers[text] = append(v.texts, text), n
	}
	return n
}

// addDetail keeps what an entry says beside its prefix, if anything.
func (p *parser) addDetail(prefix netip.Prefix, e *Entry) {
	if *e == (Entry{}) {
		return
	}
	d := detail{
		prefix: prefix, label: p.texts.number(e.Label), source: p.texts.number(e.Source),
		port: e.Port, protocol: e.Protocol, confidence: e.Confidence, from: seconds(e.From), until: seconds(e.Until),
	}
	if d != (detail{prefix: prefix}) {
		p.details = append(p.details, d)
	}
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// orderDetails puts details in the order of the entries they belong to, each once.
func (l *List) orderDetails(details []detail) {
	for i := range details {
		n, _ := l.number(details[i].prefix)
		details[i].entry, details[i].prefix = n, netip.Prefix{}
	}
	slices.SortStableFunc(details, func(a, b detail) int { return int(int64(a.entry) - int64(b.entry)) })
	l.details = slices.Clip(slices.Compact(details))
}

// number is the place of an entry in the order of Prefixes.
func (l *List) number(p netip.Prefix) (n uint32, found bool) {
	switch a := p.Addr(); {
	case !p.IsSingleIP():
		i, found := slices.BinarySearchFunc(l.networks, p, netip.Prefix.Compare)
		return uint32(len(l.list4) + len(l.list6) + i), found
	case a.Is4():
		b := a.As4()
		i, found := slices.BinarySearch(l.list4, binary.BigEndian.Uint32(b[:]))
		return uint32(i), found
	default:
		i, found := slices.BinarySearchFunc(l.list6, a.As16(), func(x, y [16]byte) int { return bytes.Compare(x[:], y[:]) })
		return uint32(len(l.list4) + i), found
	}
}

// Find is the narrowest entry that holds an address.
func (l *List) Find(a netip.Addr) (netip.Prefix, bool) {
	if !a.IsValid() {
		return netip.Prefix{}, false
	}
	a = a.Unmap().WithZone("")
	single := netip.PrefixFrom(a, a.BitLen())
	if _, found := l.number(single); found {
		return single, true
	}
	if l.trie == nil {
		return netip.Prefix{}, false
	}
	return l.trie.LookupPrefixLPM(single)
}

// Entries is what the list says of a prefix, as often as it has it; the prefix by itself where there is nothing to say.
func (l *List) Entries(prefix netip.Prefix) []Entry {
	n, found := l.number(prefix)
	if !found {
		return nil
	}
	var list []Entry
	first := sort.Search(len(l.details), func(i int) bool { return l.details[i].entry >= n })
	for _, d := range l.details[first:] {
		if d.entry != n {
			break
		}
		list = append(list, l.entry(prefix, &d))
	}
	if list == nil {
		list = []Entry{{Prefix: prefix}}
	}
	return list
}

func (l *List) entry(prefix netip.Prefix, d *detail) Entry {
	return Entry{
		Prefix: prefix, Port: d.port, Protocol: d.protocol, Label: l.text(d.label), Source: l.text(d.source),
		Confidence: d.confidence, From: moment(d.from), Until: moment(d.until),
	}
}

func (l *List) text(number uint32) string {
	if number == 0 {
		return ""
	}
	return l.texts[number]
}

// During is the list without the entries that are not valid at any time of a span, and how many these are. It is the
// list itself where there are none.
func (l *List) During(first, last time.Time) (*List, int) {
	invalid := map[uint32]bool{}
	valid := map[uint32]bool{}
	for i := range l.details {
		d := &l.details[i]
		if d.from != 0 && d.from > last.Unix() || d.until != 0 && d.until < first.Unix() {
			invalid[d.entry] = true
		} else {
			valid[d.entry] = true
		}
	}
	for n := range valid {
		delete(invalid, n)
	}
	if len(invalid) == 0 {
		return l, 0
	}
	p := &parser{health: Health{Format: l.health.Format}, texts: vocabulary{texts: l.texts}}
	n := uint32(0)
	prefixes := make([]netip.Prefix, 0, l.Len())
	for prefix := range l.Prefixes() {
		prefixes = append(prefixes, prefix)
		if !invalid[n] {
			p.add(prefix)
		}
		n++
	}
	for _, d := range l.details {
		if !invalid[d.entry] {
			d.prefix, d.entry = prefixes[d.entry], 0
			p.details = append(p.details, d)
		}
	}
	return p.list(), len(invalid)
}

// Bare is the list without what it says of its entries: all that is needed to ask whether an address is in it.
func (l *List) Bare() *List {
	if len(l.details) == 0 {
		return l
	}
	bare := *l
	bare.details, bare.texts = nil, nil
	return &bare
}
