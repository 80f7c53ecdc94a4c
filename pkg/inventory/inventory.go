// Package inventory knows the hosts of a fleet: from a file of its own format, from Prometheus's service discovery
// (file_sd and http_sd) and from SRV records of the DNS, watched for changes.
//
// Invariants: every source is bounded in bytes and hosts; a host that is wrong is named and left out, and costs no
// other host its place; a source that fails keeps its last good list and says so; equal sources give equal lists. The
// package opens no file: reading is a function that it is given.
//
// Neighbours: gateway makes fleet's hosts of the entries, fleet selects by their labels and groups.
package inventory

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/weirflow/weir/pkg/resolve"
)

// Bounds on a source, and on the texts in it.
const (
	MaxBytes = 16 << 20
	MaxHosts = 20_000

	maxName   = 253
	maxLabels = 64
	maxKey    = 64
	maxValue  = 256
	maxGroups = 256 // of a host
	maxFaults = 20  // that are named
)

// Entry is one host of the inventory.
type Entry struct {
	// Name in the fleet; empty: the host of the URL.
	Name string `yaml:"name" json:"name"`
	// URL is where it answers: https://host:8145, host:8145, unix:/path.
	URL string `yaml:"url" json:"url"`
	// ID of the host's store, where it is known; two hosts with one id are an error.
	ID string `yaml:"id,omitempty" json:"id,omitempty"`
	// Labels to select, filter and group by; they win over those that the host has itself.
	Labels map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`
	// Groups that the host is in, as @group in a selection.
	Groups []string `yaml:"groups,omitempty" json:"groups,omitempty"`
	// Gateway says that hosts are behind this one.
	Gateway bool `yaml:"gateway,omitempty" json:"gateway,omitempty"`
	// Auth names the credentials to show; empty: those that are meant for the address.
	Auth string `yaml:"auth,omitempty" json:"auth,omitempty"`
	// Discovered says that the entry comes from elsewhere than the operator's own files, and may not lead to this
	// machine.
	Discovered bool `yaml:"-" json:"discovered,omitempty"`
}

// List is what a source holds.
type List struct {
	Entries []Entry
	// Groups are further groups by name: their members are names of hosts, globs, and other groups as @name.
	Groups map[string][]string
	// Faults are what was left out and why, the first of them.
	Faults []string
	// FaultCount is the number of all faults.
	FaultCount int
}

func (l *List) fault(format string, arguments ...any) {
	if l.FaultCount++; len(l.Faults) < maxFaults {
		l.Faults = append(l.Faults, fmt.Sprintf(format, arguments...))
	}
}

// clone is a copy that shares nothing that is changed.
func (l *List) clone() *List {
	c := *l
	c.Entries, c.Faults = slices.Clone(l.Entries), slices.Clone(l.Faults)
	return &c
}

// Defaults complete the entries of a discovery, which knows addresses and labels only.
type Defaults struct {
	// Scheme of the addresses: https or http; empty: https.
	Scheme string `yaml:"scheme,omitempty"`
	// Labels for entries that do not have them.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Groups that all are in.
	Groups []string `yaml:"groups,omitempty"`
	// Gateway says that hosts are behind each of them.
	Gateway bool `yaml:"gateway,omitempty"`
	// Auth names the credentials to show.
	Auth string `yaml:"auth,omitempty"`
	// AllowLocal allows addresses of this machine and its links.
	AllowLocal bool `yaml:"allow_local,omitempty"`
}

// Validate says what is wrong with the defaults.
func (d Defaults) Validate() error {
	if d.Scheme != "" && d.Scheme != "https" && d.Scheme != "http" {
		return fmt.Errorf("scheme %q: expected https or http", d.Scheme)
	}
	return errors.Join(checkLabels(d.Labels), checkGroups(d.Groups))
}

// complete makes an entry of what was discovered.
func (d Defaults) complete(e Entry) Entry {
	labels := maps.Clone(d.Labels)
	if labels == nil {
		labels = make(map[string]string, len(e.Labels))
	}
	maps.Copy(labels, e.Labels)
	if e.Labels = labels; len(labels) == 0 {
		e.Labels = nil
	}
	e.Groups = append(slices.Clone(d.Groups), e.Groups...)
	if len(e.Groups) == 0 {
		e.Groups = nil
	}
	e.Gateway = e.Gateway || d.Gateway
	if e.Auth == "" {
		e.Auth = d.Auth
	}
	e.Discovered = !d.AllowLocal
	return e
}

// check completes an entry's name and says what is wrong with it.
func (e *Entry) check() error {
	host, err := e.address()
	if err != nil {
		return err
	}
	if e.Name == "" {
		e.Name = host
	}
	if err := CheckName(e.Name); err != nil {
		return err
	}
	if len(e.ID) > maxName || strings.ContainsFunc(e.ID, unicode.IsControl) {
		return fmt.Errorf("the id %.40q is too long, or no text", e.ID)
	}
	if err := checkLabels(e.Labels); err != nil {
		return err
	}
	return checkGroups(e.Groups)
}

// address checks the URL and returns its host, without the usual port.
func (e *Entry) address() (string, error) {
	text := e.URL
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if e.Discovered {
			return "", fmt.Errorf("address %.100q: sockets of this machine are not for discovered targets", text)
		}
		return strings.TrimLeft(path, "/"), nil
	}
	if text == "" || len(text) > 2048 {
		return "", errors.New("the url is missing or too long: expected https://host:8145")
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("address %.100q: expected https://host:8145 or host:8145", hidden(e.URL))
	}
	switch {
	case u.User != nil:
		return "", fmt.Errorf("address %.100q: credentials do not belong into the address: name them in auth", hidden(e.URL))
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "nats":
		return "", fmt.Errorf("address %.100q: unknown scheme %.20q", e.URL, u.Scheme)
	case e.Discovered && isLocalHost(u.Hostname()):
		return "", fmt.Errorf("address %.100q is one of this machine or its links, which is refused for discovered targets (allow_local allows it)", e.URL)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != "8145" {
		host += ":" + port
	}
	return host, nil
}

// hidden is a text of the user without what might be a password.
func hidden(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

// isLocalHost says that a name or address is one of this machine by its form. What a name resolves to is the dialer's
// to look at.
func isLocalHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && resolve.IsLocal(a)
}

// CheckName says why a host cannot have the name: selections could not name it, or it could not be shown.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a host has no name")
	case len(name) > maxName:
		return fmt.Errorf("the name %.40q… is longer than %d bytes", name, maxName)
	case strings.EqualFold(name, "any"), strings.HasPrefix(name, "@"), strings.ContainsAny(name, ",=*?|\""),
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fmt.Errorf("a host cannot have the name %q: it may not be any, begin with @, or hold blanks and , = * ? | \"", name)
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels, at most %d are taken", len(labels), maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !isKey(key) {
			return fmt.Errorf("label %.80q: expected up to %d letters, digits, dots, dashes and underscores", key, maxKey)
		}
		if value := labels[key]; len(value) > maxValue || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(value, `"`) {
			return fmt.Errorf("label %s: the value %.40q is longer than %d bytes, or has a quote or what cannot be shown in it", key, value, maxValue)
		}
	}
	return nil
}

func checkGroups(groups []string) error {
	if len(groups) > maxGroups {
		return fmt.Errorf("%d groups, at most %d are taken", len(groups), maxGroups)
	}
	for _, g := range groups {
		if !isKey(g) {
			return fmt.Errorf("group %.80q: expected up to %d letters, digits, dots, dashes and underscores", g, maxKey)
		}
	}
	return nil
}

// isKey says that a text can be the name of a label or group.
func isKey(text string) bool {
	return text != "" && len(text) <= maxKey && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
