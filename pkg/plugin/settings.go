package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/client"
)

// Timeouts of one server, in seconds. The default leaves Grafana's own 30 s time for the answer's way back.
const (
	defaultTimeoutSeconds = 20
	maximumTimeoutSeconds = 300
)

// How many things one server is asked at once, by all panels together. A probe answers as many as it has processors
// without any getting slower.
const (
	defaultConcurrency = 4
	maximumConcurrency = 64
)

// maximumCacheMegabytes bounds what answers may take.
const maximumCacheMegabytes = 4096

// Where the servers to ask come from.
const (
	kindServers   = "servers"   // listed in the settings
	kindGateway   = "gateway"   // the same, each a gateway with hosts behind it
	kindDiscovery = "discovery" // a URL that lists them, in Prometheus' format
	kindNATS      = "nats"      // those that announce themselves on a bus
)

// Settings are a data source's settings, ready for use. Bad settings do not make the data source unusable: what is
// wrong with a server stands with that server, the rest works, and the health check says it all.
type Settings struct {
	Kind         string
	Servers      []Server
	DiscoveryURL string
	NATS         NATS
	Timeout      time.Duration // of one server's answer
	Concurrency  int           // requests at once to one server
	CacheBytes   int64         // of answers that are kept; 0: none
	Token        string        // sent to every server, empty for none
	TLS          client.TLS
	Headers      map[string]string // sent to every server
	Lookup       bool              // addresses may be looked up in the DNS
	LookupServer string            // that is asked; empty: the machine's own
	Strict       bool              // of every query
	// Problems are faults that belong to no server.
	Problems []error
}

// NATS is the bus on which servers announce themselves and are asked.
type NATS struct {
	URL         string
	Site        string
	Credentials string // the text of a credentials file
	Token       string
}

// Server is a probe or gateway to ask.
type Server struct {
	Name string
	URL  string
	// ID, Labels and Groups are those that a discovery gives it.
	ID     string
	Labels map[string]string
	Groups []string
	// Problem says why the server can't be asked; nil where it can.
	Problem error
}

// storedSettings is the part of a data source that Grafana shows to everybody who may edit it.
type storedSettings struct {
	Kind    string `json:"kind"`
	Servers []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"servers"`
	DiscoveryURL      string  `json:"discoveryUrl"`
	NATSURL           string  `json:"natsUrl"`
	NATSSite          string  `json:"natsSite"`
	TimeoutSeconds    float64 `json:"timeoutSeconds"`
	Concurrency       int     `json:"concurrency"`
	CacheMegabytes    float64 `json:"cacheMegabytes"`
	Lookup            bool    `json:"lookup"`
	LookupServer      string  `json:"lookupServer"`
	Strict            bool    `json:"strict"`
	TLSAuth           bool    `json:"tlsAuth"`           // use the client certificate
	TLSAuthWithCACert bool    `json:"tlsAuthWithCACert"` // use the CA certificate, and only that
	TLSSkipVerify     bool    `json:"tlsSkipVerify"`
	ServerName        string  `json:"serverName"` // expected in the servers' certificates
}

// Keys of the secrets, which Grafana keeps encrypted.
const (
	secretToken             = "token"
	secretCACertificate     = "tlsCACert"
	secretClientCertificate = "tlsClientCert"
	secretClientKey         = "tlsClientKey"
	secretNATSCredentials   = "natsCredentials"
	secretNATSToken         = "natsToken"
	headerName              = "httpHeaderName"  // and a number, in the settings
	headerValue             = "httpHeaderValue" // and the same number, a secret
)

// LoadSettings reads the settings of a data source. It does no I/O and never fails.
func LoadSettings(from backend.DataSourceInstanceSettings) Settings {
	var stored storedSettings
	secrets := from.DecryptedSecureJSONData
	settings := Settings{Token: strings.TrimSpace(secrets[secretToken])}
	if len(from.JSONData) > 0 {
		if err := json.Unmarshal(from.JSONData, &stored); err != nil {
			settings.fault("read the settings: %w", plain(err))
		}
	}
	settings.limits(stored)
	settings.Lookup, settings.Strict = stored.Lookup, stored.Strict
	if settings.LookupServer = strings.TrimSpace(stored.LookupServer); settings.LookupServer != "" {
		if err := checkNameServer(settings.LookupServer); err != nil {
			settings.fault("name server: %w", err)
			settings.Lookup = false
		}
	}
	var problem error
	settings.TLS, problem = stored.tls(secrets)
	var headerProblem error
	settings.Headers, headerProblem = headers(from.JSONData, secrets)
	if settings.Token != "" && settings.Headers["Authorization"] != "" {
		headerProblem = errors.New("header Authorization: the token is sent there; leave one of the two out")
		delete(settings.Headers, "Authorization")
	}
	if headerProblem != nil {
		settings.Problems = append(settings.Problems, headerProblem)
	}
	settings.place(stored, secrets, problem)
	return settings
}

func (s *Settings) fault(format string, arguments ...any) {
	s.Problems = append(s.Problems, fmt.Errorf(format, arguments...))
}

// limits are numbers within their bounds; one that is not is a problem, and the default is used.
func (s *Settings) limits(stored storedSettings) {
	s.Timeout, s.Concurrency = defaultTimeoutSeconds*time.Second, defaultConcurrency
	switch seconds := stored.TimeoutSeconds; {
	case seconds < 0 || seconds > maximumTimeoutSeconds:
		s.fault("timeout of %g s: not within 1 to %d s; using %d s", seconds, maximumTimeoutSeconds, defaultTimeoutSeconds)
	case seconds > 0:
		s.Timeout = max(time.Duration(seconds*float64(time.Second)), time.Millisecond)
	}
	switch n := stored.Concurrency; {
	case n < 0 || n > maximumConcurrency:
		s.fault("%d concurrent requests: not within 1 to %d; using %d", n, maximumConcurrency, defaultConcurrency)
	case n > 0:
		s.Concurrency = n
	}
	switch size := stored.CacheMegabytes; {
	case size < 0 || size > maximumCacheMegabytes:
		s.fault("cache of %g MB: not within 0 to %d MB; using none", size, maximumCacheMegabytes)
	default:
		s.CacheBytes = int64(size * 1e6)
	}
}

// place finds out where the servers come from.
func (s *Settings) place(stored storedSettings, secrets map[string]string, tlsProblem error) {
	s.Kind = stored.kind()
	switch s.Kind {
	case kindServers, kindGateway:
		s.Servers = stored.servers(tlsProblem)
		if len(s.Servers) == 0 && len(s.Problems) == 0 {
			s.fault("no server is configured: add the URL of a probe or gateway")
		}
	case kindDiscovery:
		s.DiscoveryURL = strings.TrimSpace(stored.DiscoveryURL)
		if _, err := checkURL(s.DiscoveryURL); err != nil {
			s.fault("discovery: %w", err)
			s.DiscoveryURL = ""
		}
		if tlsProblem != nil {
			s.Problems = append(s.Problems, tlsProblem)
		}
	case kindNATS:
		s.NATS = NATS{
			URL: strings.TrimSpace(stored.NATSURL), Site: strings.TrimSpace(stored.NATSSite),
			Credentials: secrets[secretNATSCredentials], Token: strings.TrimSpace(secrets[secretNATSToken]),
		}
		if err := checkNATS(s.NATS); err != nil {
			s.Problems = append(s.Problems, err)
			s.NATS.URL = ""
		}
	default:
		s.fault("kind %q: not one of %s, %s, %s, %s", s.Kind, kindServers, kindGateway, kindDiscovery, kindNATS)
	}
}

// kind is what the settings say, or what follows from them; src/sourceKind.ts does the same.
func (s *storedSettings) kind() string {
	switch {
	case s.Kind != "":
		return s.Kind
	case len(s.Servers) > 0:
		return kindServers
	case s.NATSURL != "":
		return kindNATS
	case s.DiscoveryURL != "":
		return kindDiscovery
	}
	return kindServers
}

// servers are those that are listed, each with what is wrong with it.
func (s *storedSettings) servers(tlsProblem error) []Server {
	var list []Server
	seen := make(map[string]bool)
	for i, one := range s.Servers {
		server := Server{Name: strings.TrimSpace(one.Name), URL: strings.TrimRight(strings.TrimSpace(one.URL), "/")}
		if server.Name == "" && server.URL == "" {
			continue // a row of the editor that nothing has been written into
		}
		host, err := checkURL(server.URL)
		if server.Problem = err; err != nil {
			server.URL = harmless(server.URL)
		}
		if server.Name == "" {
			server.Name = orDefault(host, "unnamed")
		}
		if server.Problem == nil && strings.HasPrefix(strings.ToLower(server.URL), "https:") {
			server.Problem = tlsProblem
		}
		if name := selectable(server.Name); name != server.Name {
			server.Problem = fmt.Errorf("name %q: blanks, commas and the characters * ? @ = | \" have a meaning in selections of hosts: rename it", server.Name)
			server.Name = name
		}
		if seen[server.Name] {
			server.Problem = errors.New("another server has the same name: rename one of them")
			server.Name = fmt.Sprintf("%s_(entry_%d)", server.Name, i+1)
		}
		seen[server.Name] = true
		list = append(list, server)
	}
	return list
}

// tls takes those secrets that the switches turn on; the client checks what is in them. A switch without its
// secret is an error, never a silent fall back to the system's trust.
func (s *storedSettings) tls(secrets map[string]string) (client.TLS, error) {
	t := client.TLS{ServerName: s.ServerName, SkipVerify: s.TLSSkipVerify}
	if s.TLSAuthWithCACert {
		if t.CA = secrets[secretCACertificate]; t.CA == "" {
			return t, errors.New("the CA certificate is missing: enter it, or switch \"Own certificate authority\" off")
		}
	}
	if s.TLSAuth {
		t.Certificate, t.Key = secrets[secretClientCertificate], secrets[secretClientKey]
		if t.Certificate == "" || t.Key == "" {
			return t, errors.New("the client certificate or its key is missing: enter both, or switch \"Client certificate\" off")
		}
	}
	return t, nil
}
