package actors

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gaissmai/bart"
)

// Grade sums up the health of a list.
type Grade string

// The states of a list.
const (
	StateOK      Grade = "ok"
	StateWarning Grade = "warning" // it works, and something in it is probably not meant
	StateAlarm   Grade = "alarm"   // it is empty, or more than half of it could not be read
)

// Health is what can be said of a list without knowing what it is for.
type Health struct {
	Name    string `json:"name,omitempty"`
	Hash    string `json:"hash"`
	Format  string `json:"format"`
	State   Grade  `json:"state"`
	Lines   int    `json:"lines"`
	Entries int    `json:"entries"`
	IPv4    int    `json:"ipv4"`
	IPv6    int    `json:"ipv6"`
	// Duplicates are entries that stood there before.
	Duplicates int `json:"duplicates"`
	// FaultCount is the number of lines that could not be read, Faults the first of them.
	FaultCount int     `json:"fault_count"`
	Faults     []Fault `json:"faults,omitempty"`
	// Special is the number of entries that overlap ranges which are nobody's on the Internet; Wide is the number of
	// those that cover more than any one organisation has.
	Special int `json:"special"`
	Wide    int `json:"wide"`
	// Own is the number of entries that overlap ranges which the asker said are his own (see List.Check).
	Own int `json:"own,omitempty"`
	// Expired is the number of entries that are not valid any more.
	Expired int `json:"expired,omitempty"`
	// Updated is of when the list says it is, Expires until when it says that it holds.
	Updated  time.Time `json:"updated,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Warnings []string  `json:"warnings,omitempty"`
}

// Fault is a line that could not be read.
type Fault struct {
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Message string `json:"message"`
}

// maxFaults bounds the faults that are named.
const maxFaults = 20

func (p *parser) fault(text string, err error) {
	p.health.FaultCount++
	if len(p.health.Faults) < maxFaults {
		p.health.Faults = append(p.health.Faults, Fault{p.health.Lines, strings.Clone(clip(text)), err.Error()})
	}
}

// Prefixes shorter than these cover more than any one organisation has.
const wide4, wide6 = 8, 19

// special are ranges that nobody on the Internet has (IANA's special-purpose registries), with what they are for.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/127"), "unspecified and loopback"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// judge counts what is in the list and says what looks wrong.
func (h *Health) judge(l *List) {
	h.Entries = l.Len()
	trie := new(bart.Lite)
	for _, s := range special {
		trie.Insert(s.prefix)
	}
	for p := range l.Prefixes() {
		narrowest := wide6
		if p.Addr().Is4() {
			h.IPv4++
			narrowest = wide4
		} else {
			h.IPv6++
		}
		if p.Bits() < narrowest {
			h.warn(&h.Wide, "%s covers a large part of the Internet", p)
		}
		if !p.IsSingleIP() || trie.Contains(p.Addr()) {
			h.checkSpecial(p)
		}
	}
	if h.FaultCount > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("%d of %d lines could not be read", h.FaultCount, h.Lines))
	}
	if h.Entries == 0 {
		h.Warnings = append(h.Warnings, "the list is empty: a query with it finds nothing, whatever happened")
	}
	h.grade()
}

func (h *Health) grade() {
	switch {
	case h.Entries == 0, h.FaultCount > h.Entries:
		h.State = StateAlarm
	case len(h.Warnings) > 0:
		h.State = StateWarning
	default:
		h.State = StateOK
	}
}

// CheckConfig is what the health of a list depends on beside the list.
type CheckConfig struct {
	Own []netip.Prefix // ranges of the asker
	Now time.Time      // zero: ages are not looked at
	// MaxAge is how old a list that says of when it is may be; 0: the default of a week.
	MaxAge time.Duration
}

// DefaultMaxAge is the age above which a list is thought to be forgotten.
const DefaultMaxAge = 7 * 24 * time.Hour

// Check is the list's health as it is to somebody at some time: entries that overlap own ranges, entries and lists
// that have expired, a list that is old.
func (l *List) Check(c CheckConfig) Health {
	h := l.health
	h.Warnings = slices.Clone(h.Warnings)
	for p := range l.Prefixes() {
		if slices.ContainsFunc(c.Own, p.Overlaps) {
			h.warn(&h.Own, "%s overlaps a range of our own", p)
		}
	}
	if !c.Now.IsZero() {
		h.checkAge(l, c)
	}
	h.grade()
	return h
}

func (h *Health) checkAge(l *List, c CheckConfig) {
	if _, h.Expired = l.During(c.Now, c.Now.Add(100*365*24*time.Hour)); h.Expired > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("%d of %d entries are not valid any more", h.Expired, h.Entries))
	}
	most := c.MaxAge
	if most == 0 {
		most = DefaultMaxAge
	}
	switch age := c.Now.Sub(h.Updated); {
	case !h.Expires.IsZero() && h.Expires.Before(c.Now):
		h.Warnings = append(h.Warnings, fmt.Sprintf("the list says that it holds until %s, which is over", h.Expires.Format(time.DateTime)))
	case h.Updated.IsZero():
	case age > most:
		h.Warnings = append(h.Warnings, fmt.Sprintf("the list is of %s, %d days ago: is it still read anew?", h.Updated.Format(time.DateTime), int(age.Hours()/24)))
	case age < -24*time.Hour:
		h.Warnings = append(h.Warnings, fmt.Sprintf("the list is of %s, which is yet to come", h.Updated.Format(time.DateTime)))
	}
}

func (h *Health) checkSpecial(p netip.Prefix) {
	for _, s := range special {
		if s.prefix.Overlaps(p) {
			h.warn(&h.Special, "%s overlaps %s (%s): it matches traffic of every network that uses these addresses", p, s.prefix, s.what)
			return
		}
	}
}

// warn counts an entry, and names the first few.
func (h *Health) warn(count *int, format string, arguments ...any) {
	if *count++; *count <= 5 {
		h.Warnings = append(h.Warnings, fmt.Sprintf(format, arguments...))
	}
}
