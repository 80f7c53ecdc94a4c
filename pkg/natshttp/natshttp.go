// Package natshttp carries HTTP over core NATS, so that hosts which nobody can dial, or too many of them to dial, answer
// the same contract: RoundTripper is an http.RoundTripper for URLs such as nats://HOST/_query, Responder gives requests
// to an http.Handler. Hosts announce themselves; Discovery keeps the list of them.
//
// # Protocol
//
// A host listens on two subjects; site and host are tokens, see Token:
//
//	weir.v1.<site>.<host>.query           requests
//	weir.v1.<site>.<host>.control.<id>    what the asker says of a request while it runs
//
// A request is a message with the asker's inbox as reply subject and, as headers, the HTTP header's, Weir-Method,
// Weir-Uri, Weir-Request (the id, unguessable), Weir-Credit (bytes of the answer that the asker takes before it says
// more), Weir-Timeout (nanoseconds that it waits) and, where the body goes on, Weir-More. The host answers to the inbox
// and to nothing else:
//
//	Weir-Sequence: N    a page of the answer's body; page 0 has Weir-Status and the HTTP header's. Page size: 512 kB,
//	                    or less where the server's max_payload is less
//	Weir-End: TEXT      on the last page: "done", or why the answer is cut short
//	Weir-Want: N        asks for page N of the request's body, 1 being the one after what came with the request
//	Weir-Alive: 1       every few seconds while nothing else is said
//
// Every message of the host carries Weir-Instance, which tells two hosts of one name apart, and has the control subject
// as its reply subject: a server that has no asker to deliver to says so there, which ends the work. The asker says
// Weir-Credit: N (take N more bytes), Weir-Cancel: 1, or sends a body page with Weir-Sequence and perhaps Weir-More.
//
// Invariants: pages come in order and once, or the answer is an error; neither end holds more than it granted; nothing
// is published while the connection is down, so that nothing stale arrives later; a token is never sent over a
// connection that others can read.
//
// Neighbours: client asks through a RoundTripper, serve is the handler behind a Responder, inventory takes Discovery's
// entries.
package natshttp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// Scheme of the URLs that a RoundTripper serves.
const Scheme = "nats"

// DefaultSite is where hosts are that name none.
const DefaultSite = "default"

// prefix of all subjects.
const prefix = "weir.v1."

// discoverSubject is where hosts are asked to announce themselves.
const discoverSubject = prefix + "discover"

// Names of the protocol's headers.
const (
	headerMethod   = "Weir-Method"
	headerURI      = "Weir-Uri"
	headerRequest  = "Weir-Request"
	headerCredit   = "Weir-Credit"
	headerTimeout  = "Weir-Timeout"
	headerMore     = "Weir-More"
	headerStatus   = "Weir-Status"
	headerSequence = "Weir-Sequence"
	headerEnd      = "Weir-End"
	headerWant     = "Weir-Want"
	headerAlive    = "Weir-Alive"
	headerCancel   = "Weir-Cancel"
	headerInstance = "Weir-Instance"

	ownPrefix = "Weir-"
	endDone   = "done"
)

// Bounds on what one message carries.
const (
	maxPage   = 512 << 10
	headRoom  = 96 << 10 // of a message of max_payload bytes, for its headers
	maxHead   = 64 << 10
	maxURI    = 8 << 10
	maxID     = 64
	maxName   = 253 // bytes of a site's or host's name
	pageCost  = 256 // bytes of credit that a page takes beside its own, for what it takes in memory
	firstUnit = 64 << 10
)

// cost of a page in credit. Messages without data are free: they are not kept.
func cost(data int) int {
	if data == 0 {
		return 0
	}
	return data + pageCost
}

// Address is a host's place among the subjects.
type Address struct {
	Site string // empty: DefaultSite
	Host string
}

// String is the address for people.
func (a Address) String() string { return a.site() + "/" + a.Host }

func (a Address) site() string {
	if a.Site == "" {
		return DefaultSite
	}
	return a.Site
}

// Validate says what makes an address no place.
func (a Address) Validate() error {
	switch {
	case a.Host == "":
		return errors.New("nats: the host has no name")
	case len(a.Host) > maxName || len(a.Site) > maxName:
		return fmt.Errorf("nats: the names of site and host may have %d bytes", maxName)
	}
	return nil
}

// URL of the host for a RoundTripper: nats://HOST.SITE, both as tokens.
func (a Address) URL() string { return Scheme + "://" + Token(a.Host) + "." + Token(a.site()) }

// subject of one kind, below the host.
func (a Address) subject(kind string) string {
	return prefix + Token(a.site()) + "." + Token(a.Host) + "." + kind
}

// addressOf is the address in a URL's host, whose site may be missing.
func addressOf(u *url.URL, site string) (Address, error) {
	host, at, found := strings.Cut(u.Host, ".")
	a := Address{Site: site}
	var ok, okSite bool
	a.Host, ok = fromToken(host)
	if okSite = true; found {
		a.Site, okSite = fromToken(at)
	}
	if !ok || !okSite || u.User != nil {
		return Address{}, fmt.Errorf("address %s: expected nats://HOST or nats://HOST.SITE, with every byte but letters, digits, - and _ written as =2E", u.Redacted())
	}
	return a, a.Validate()
}

const hexDigits = "0123456789ABCDEF"

// Token writes a name as one token of a subject: letters, digits, - and _ stand for themselves, any other byte is =XX.
func Token(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_'
}

// fromToken is the inverse of Token; it takes nothing that Token does not write.
func fromToken(token string) (string, bool) {
	if len(token) > 3*maxName {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '=' && i+2 < len(token) {
			high, low := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
			if high < 0 || low < 0 || plain(byte(high<<4|low)) {
				return "", false
			}
			b.WriteByte(byte(high<<4 | low))
			i += 2
			continue
		}
		if !plain(c) {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), b.Len() > 0
}

// put copies an HTTP header into a message, without what would pass for the protocol's own.
func put(into nats.Header, from http.Header) {
	for name, values := range from {
		if !strings.HasPrefix(name, ownPrefix) {
			into[name] = values
		}
	}
}

// take is the inverse of put; it refuses more than the bound.
func take(from nats.Header) (http.Header, error) {
	header, size := http.Header{}, 0
	for name, values := range from {
		for _, v := range values {
			if size += len(name) + len(v); size > maxHead {
				return nil, fmt.Errorf("the header has more than %d bytes", maxHead)
			}
		}
		if !strings.HasPrefix(name, ownPrefix) {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return header, nil
}

// isUndelivered says that a message is the server's, which found nobody at a subject (NATS protocol, no_responders).
func isUndelivered(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}
