package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
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

// Settings are a data source's settings, ready for use. Bad settings do not make the data source unusable: what is
// wrong with a server stands with that server, the rest works, and the health check says it all.
type Settings struct {
	Servers []Server
	Timeout time.Duration // of one server's answer
	Token   string        // sent to every server, empty for none
	TLS     client.TLS
	// Problems are faults that belong to no server.
	Problems []error
}

// Server is a probe or gateway to ask.
type Server struct {
	Name string
	URL  string
	// Problem says why the server can't be asked; nil where it can.
	Problem error
}

// storedSettings is the part of a data source that Grafana shows to everybody who may edit it.
type storedSettings struct {
	Servers []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"servers"`
	TimeoutSeconds    float64 `json:"timeoutSeconds"`
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
)

// LoadSettings reads the settings of a data source. It does no I/O and never fails.
func LoadSettings(from backend.DataSourceInstanceSettings) Settings {
	var stored storedSettings
	settings := Settings{Timeout: defaultTimeoutSeconds * time.Second}
	settings.Token = strings.TrimSpace(from.DecryptedSecureJSONData[secretToken])
	if len(from.JSONData) > 0 {
		if err := json.Unmarshal(from.JSONData, &stored); err != nil {
			settings.Problems = append(settings.Problems, fmt.Errorf("read the settings: %w", plain(err)))
		}
	}
	switch seconds := stored.TimeoutSeconds; {
	case seconds < 0 || seconds > maximumTimeoutSeconds:
		settings.Problems = append(settings.Problems, fmt.Errorf("timeout of %g s: not within 1 to %d s; using %d s",
			seconds, maximumTimeoutSeconds, defaultTimeoutSeconds))
	case seconds > 0:
		settings.Timeout = time.Duration(seconds * float64(time.Second))
	}
	var tlsProblem error
	settings.TLS, tlsProblem = stored.tls(from.DecryptedSecureJSONData)
	seen := make(map[string]bool)
	for i, s := range stored.Servers {
		server := Server{Name: strings.TrimSpace(s.Name), URL: strings.TrimRight(strings.TrimSpace(s.URL), "/")}
		if server.Name == "" && server.URL == "" {
			continue // a row of the editor that nothing has been written into
		}
		host, err := checkURL(server.URL)
		if server.Problem = err; err != nil {
			server.URL = harmless(server.URL)
		}
		if server.Name == "" {
			server.Name = orDefault(host, "unnamed server")
		}
		if server.Problem == nil && strings.HasPrefix(strings.ToLower(server.URL), "https:") {
			server.Problem = tlsProblem
		}
		if seen[server.Name] {
			server.Problem = errors.New("another server has the same name: rename one of them")
			server.Name = fmt.Sprintf("%s (entry %d)", server.Name, i+1)
		}
		seen[server.Name] = true
		settings.Servers = append(settings.Servers, server)
	}
	if len(settings.Servers) == 0 && len(settings.Problems) == 0 {
		settings.Problems = append(settings.Problems, errors.New("no server is configured: add the URL of a probe or gateway"))
	}
	return settings
}

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

// tls takes those secrets that the switches turn on; the client checks what is in them. A switch without its
// secret is an error, never a silent fall back to the system's trust.
func (s *storedSettings) tls(secrets map[string]string) (client.TLS, error) {
	t := client.TLS{ServerName: s.ServerName, SkipVerify: s.TLSSkipVerify}
	if s.TLSAuthWithCACert {
		if t.CA = secrets[secretCACertificate]; t.CA == "" {
			return t, errors.New("the CA certificate is missing: enter it, or switch \"With CA certificate\" off")
		}
	}
	if s.TLSAuth {
		t.Certificate, t.Key = secrets[secretClientCertificate], secrets[secretClientKey]
		if t.Certificate == "" || t.Key == "" {
			return t, errors.New("the client certificate or its key is missing: enter both, or switch \"TLS client authentication\" off")
		}
	}
	return t, nil
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
