package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// harmless is an address as it may be shown: without the user and password that somebody wrote into it.
func harmless(text string) string {
	at := strings.LastIndex(text, "@")
	if at < 0 {
		return text
	}
	start := 0
	if i := strings.Index(text[:at], "//"); i >= 0 {
		start = i + len("//")
	}
	return text[:start] + "…" + text[at:]
}

// checkURL accepts http and https URLs of a server and refuses everything that would make the plugin touch the
// machine it runs on: unix sockets and paths of files. It returns the host with its port.
func checkURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("the URL is missing: write one such as http://probe.example:8145")
	}
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "unix:") || strings.HasPrefix(lower, "file:") ||
		strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "~") {
		return "", fmt.Errorf("URL %q: sockets and files of this machine are not read; give the http or https URL of a probe or gateway", harmless(text))
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https"):
		return "", fmt.Errorf("URL %q: not an http or https URL such as http://probe.example:8145", harmless(text))
	case u.User != nil:
		return "", errors.New("the URL holds a user or password: leave them out and use the token")
	case u.Hostname() == "":
		return "", fmt.Errorf("URL %q: the host is missing", harmless(text))
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("URL %q: a query or fragment has no meaning here", harmless(text))
	}
	return u.Host, nil
}

// selectable is a name as selections of hosts can have it: what has a meaning there becomes an underscore, as does the
// word for all hosts.
func selectable(name string) string {
	if strings.EqualFold(name, "any") {
		return "_" + name
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune(`,*?@=|"`, r) {
			return '_'
		}
		return r
	}, name)
}

// checkNATS accepts addresses of a bus; like those of servers they lead away from this machine's files and sockets.
func checkNATS(n NATS) error {
	if n.URL == "" {
		return errors.New("the address of the NATS server is missing: write one such as tls://nats.example:4222")
	}
	for one := range strings.SplitSeq(n.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		switch {
		case err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls"}, strings.ToLower(u.Scheme)):
			return fmt.Errorf("NATS address %q: not one such as tls://nats.example:4222", harmless(one))
		case u.User != nil:
			return errors.New("the NATS address holds a user or password: leave them out and use the token or the credentials")
		}
	}
	if n.Credentials != "" && n.Token != "" {
		return errors.New("NATS credentials and a NATS token are given: one of them is enough")
	}
	return nil
}

// checkNameServer accepts an address with or without a port.
func checkNameServer(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = text, "53"
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil || port == "" {
		return fmt.Errorf("%q: expected an address and a port, such as 192.0.2.53:53", text)
	}
	return nil
}

// Bounds of the headers that are sent to servers.
const (
	maximumHeaders     = 32
	maximumHeaderBytes = 8 << 10 // of one
)

// ownHeaders are those that the plugin sets itself.
var ownHeaders = []string{"Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// headers are those that the settings name; a header without a value is left out, as Grafana leaves it out.
func headers(jsonData []byte, secrets map[string]string) (map[string]string, error) {
	var members map[string]any
	_ = json.Unmarshal(jsonData, &members) // what is wrong with it is said elsewhere
	found := make(map[string]string)
	for _, member := range slices.Sorted(maps.Keys(members)) {
		number, ok := strings.CutPrefix(member, headerName)
		name, isText := members[member].(string)
		value := secrets[headerValue+number]
		if name = strings.TrimSpace(name); !ok || !isText || name == "" || value == "" {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case strings.ContainsFunc(name, notInHeaderName):
			return nil, fmt.Errorf("header %q: no name of a header", name)
		case slices.Contains(ownHeaders, name):
			return nil, fmt.Errorf("header %s: is set by the data source itself", name)
		case len(value) > maximumHeaderBytes || strings.ContainsFunc(value, notInHeaderValue):
			return nil, fmt.Errorf("header %s: its value holds a line break or another control character, or is longer than %d bytes", name, maximumHeaderBytes)
		}
		if found[name] = value; len(found) > maximumHeaders {
			return nil, fmt.Errorf("headers: more than %d", maximumHeaders)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found, nil
}

// notInHeaderName says that a character is no token character (RFC 9110, section 5.6.2).
func notInHeaderName(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func notInHeaderValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
