package plugin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/client"
)

func load(jsonData string, secrets map[string]string) Settings {
	return LoadSettings(backend.DataSourceInstanceSettings{JSONData: []byte(jsonData), DecryptedSecureJSONData: secrets})
}

func TestLoadSettings(t *testing.T) {
	got := load(`{
		"servers": [{"name": " amsterdam ", "url": "https://probe.example:8145/"}, {"name": "", "url": "http://10.0.0.9:8145"}],
		"timeoutSeconds": 2.5, "tlsAuth": true, "tlsAuthWithCACert": true, "tlsSkipVerify": true, "serverName": "probe"
	}`, map[string]string{"token": " secret\n", "tlsCACert": "CA", "tlsClientCert": "CERT", "tlsClientKey": "KEY"})
	want := Settings{
		Kind: kindServers, Concurrency: defaultConcurrency,
		Servers: []Server{{Name: "amsterdam", URL: "https://probe.example:8145"}, {Name: "10.0.0.9:8145", URL: "http://10.0.0.9:8145"}},
		Timeout: 2500 * time.Millisecond, Token: "secret",
		TLS: client.TLS{CA: "CA", Certificate: "CERT", Key: "KEY", ServerName: "probe", SkipVerify: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestSecretsAreUsedOnlyWhereSwitchedOn(t *testing.T) {
	got := load(`{"servers": [{"name": "a", "url": "https://a"}]}`, map[string]string{"tlsCACert": "CA", "tlsClientCert": "C", "tlsClientKey": "K"})
	if diff := cmp.Diff(client.TLS{}, got.TLS); diff != "" {
		t.Errorf("TLS (-want +got):\n%s", diff)
	}
}

// TestBadSettingsAreExplained: bad settings leave what is good of them usable.
func TestBadSettingsAreExplained(t *testing.T) {
	for _, test := range []struct {
		name     string
		jsonData string
		problem  string            // that belongs to no server
		servers  map[string]string // name to problem, "" for none
	}{
		{"nothing", ``, "no server is configured", nil},
		{"an empty object", `{}`, "no server is configured", nil},
		{"an empty row", `{"servers": [{"name": "a", "url": "http://a:1"}, {"name": " ", "url": ""}]}`, "", map[string]string{"a": ""}},
		{"nothing but an empty row", `{"servers": [{}]}`, "no server is configured", nil},
		{"not JSON", `{"servers"`, "read the settings", nil},
		{"a wrong type", `{"servers": [{"name": "a", "url": "http://a:1"}], "timeoutSeconds": "soon"}`,
			`member "timeoutSeconds" can't be a string`, map[string]string{"a": ""}},
		{"timeout too long", `{"servers": [{"name": "a", "url": "http://a:1"}], "timeoutSeconds": 3600}`,
			"timeout of 3600 s: not within 1 to 300 s; using 20 s", map[string]string{"a": ""}},
		{"negative timeout", `{"servers": [{"name": "a", "url": "http://a:1"}], "timeoutSeconds": -1}`,
			"timeout of -1 s", map[string]string{"a": ""}},
		{"one bad server of two", `{"servers": [{"name": "a", "url": "http://a:1"}, {"name": "b", "url": ""}]}`,
			"", map[string]string{"a": "", "b": "the URL is missing"}},
		{"the same name twice", `{"servers": [{"name": "a", "url": "http://a:1"}, {"name": "a", "url": "http://b:1"}]}`,
			"", map[string]string{"a": "", "a_(entry_2)": "another server has the same name"}},
		{"the CA is switched on without one", `{"servers": [{"name": "a", "url": "https://a"}, {"name": "b", "url": "http://b:1"}], "tlsAuthWithCACert": true}`,
			"", map[string]string{"a": "the CA certificate is missing", "b": ""}},
		{"the client certificate is switched on without one", `{"servers": [{"name": "a", "url": "HTTPS://a"}], "tlsAuth": true}`,
			"", map[string]string{"a": "the client certificate or its key is missing"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := load(test.jsonData, nil)
			switch {
			case test.problem == "" && len(got.Problems) > 0:
				t.Errorf("problems %v, want none", got.Problems)
			case test.problem != "" && (len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Error(), test.problem)):
				t.Errorf("problems %v, want one with %q", got.Problems, test.problem)
			}
			if len(got.Servers) != len(test.servers) {
				t.Errorf("servers %v, want %v", got.Servers, test.servers)
			}
			for _, s := range got.Servers {
				want, known := test.servers[s.Name]
				if !known || (want == "") != (s.Problem == nil) || s.Problem != nil && !strings.Contains(s.Problem.Error(), want) {
					t.Errorf("server %q: problem %v, want %q", s.Name, s.Problem, want)
				}
			}
			if got.Timeout <= 0 {
				t.Errorf("timeout %s", got.Timeout)
			}
		})
	}
}

// TestURLsThatTouchThisMachineAreRefused: no unix socket, no file, by whatever spelling.
func TestURLsThatTouchThisMachineAreRefused(t *testing.T) {
	for _, url := range []string{
		"unix:/run/weir/probe.sock", "unix:///run/weir/probe.sock", "UNIX:/run/x", "file:///etc/passwd", "FILE:/etc/passwd",
		"/run/weir/probe.sock", "./probe.sock", "../probe.sock", "~/probe.sock", "@abstract",
		"http+unix://%2Frun%2Fprobe.sock", "ftp://a", "a:8145", "localhost", "http://", "http:///x", "http://a b", "http://u:p@a:1",
		"http://a?x=1", "http://a#x", "\x00",
	} {
		if _, err := checkURL(url); err == nil {
			t.Errorf("%q is accepted", url)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error repeats the password: %v", url, err)
		}
	}
	for _, url := range []string{"http://a", "https://a.example:8145", "http://[::1]:8145", "HTTP://A:1", "https://gw.example/weir"} {
		if _, err := checkURL(url); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestNoWayToASocket: what the settings' check would miss, the client refuses.
func TestNoWayToASocket(t *testing.T) {
	for _, url := range []string{"unix:/run/weir/probe.sock", "UNIX:/run/weir/probe.sock", "/run/weir/probe.sock"} {
		if s := connect(Server{Name: "a", URL: url}, Settings{}, nil, nil); s.Problem == nil {
			t.Errorf("%s: can be asked", url)
		}
	}
}

func TestPasswordsInURLsAreNotShown(t *testing.T) {
	for _, url := range []string{"http://u:hidden@a:1", "unix://u:hidden@x", "http://u:hidden@[", "u:hidden@a"} {
		s := load(`{"servers": [{"name": "a", "url": "`+url+`"}]}`, nil).Servers[0]
		if s.Problem == nil || strings.Contains(s.URL+s.Problem.Error(), "hidden") {
			t.Errorf("%s: shown as %q with problem %v", url, s.URL, s.Problem)
		}
	}
}

func TestKindsOfSources(t *testing.T) {
	for _, test := range []struct{ name, jsonData, kind, problem string }{
		{"nothing", `{}`, kindServers, "no server is configured"},
		{"servers", `{"servers":[{"url":"http://a:1"}],"natsUrl":"nats://b"}`, kindServers, ""},
		{"a gateway", `{"kind":"gateway","servers":[{"url":"http://a:1"}]}`, kindGateway, ""},
		{"a gateway that is not named", `{"kind":"gateway"}`, kindGateway, "no server is configured"},
		{"discovery", `{"discoveryUrl":"https://sd.example/targets"}`, kindDiscovery, ""},
		{"discovery from a file", `{"kind":"discovery","discoveryUrl":"file:///etc/hosts"}`, kindDiscovery, "sockets and files of this machine are not read"},
		{"discovery from a socket", `{"kind":"discovery","discoveryUrl":"unix:/run/x"}`, kindDiscovery, "sockets and files of this machine are not read"},
		{"NATS", `{"natsUrl":"tls://nats.example:4222, tls://other.example","natsSite":"fra"}`, kindNATS, ""},
		{"NATS without an address", `{"kind":"nats"}`, kindNATS, "the address of the NATS server is missing"},
		{"NATS over a socket", `{"kind":"nats","natsUrl":"unix:/run/nats"}`, kindNATS, "not one such as tls://"},
		{"NATS with a password", `{"kind":"nats","natsUrl":"nats://me:hidden@a"}`, kindNATS, "leave them out"},
		{"unknown", `{"kind":"kafka"}`, "kafka", `kind "kafka": not one of servers, gateway, discovery, nats`},
	} {
		got := load(test.jsonData, nil)
		if got.Kind != test.kind {
			t.Errorf("%s: kind %q, want %q", test.name, got.Kind, test.kind)
		}
		switch text := fmt.Sprint(got.Problems); {
		case test.problem == "" && len(got.Problems) > 0, !strings.Contains(text, test.problem), strings.Contains(text, "hidden"):
			t.Errorf("%s: problems %v, want %q", test.name, got.Problems, test.problem)
		}
	}
	if got := load(`{"natsUrl":"nats://a"}`, map[string]string{"natsToken": "t", "natsCredentials": "c"}); len(got.Problems) != 1 {
		t.Errorf("two ways to log in: problems %v", got.Problems)
	}
}

func TestLimits(t *testing.T) {
	got := load(`{"servers":[{"url":"http://a"}],"concurrency":7,"cacheMegabytes":12.5,"strict":true,"lookup":true,"lookupServer":"192.0.2.53"}`, nil)
	if got.Concurrency != 7 || got.CacheBytes != 12_500_000 || !got.Strict || !got.Lookup || got.LookupServer != "192.0.2.53" || len(got.Problems) > 0 {
		t.Errorf("settings %+v", got)
	}
	for jsonData, want := range map[string]string{
		`{"concurrency":65}`: "65 concurrent requests: not within 1 to 64; using 4", `{"concurrency":-1}`: "-1 concurrent",
		`{"cacheMegabytes":5000}`: "cache of 5000 MB", `{"lookup":true,"lookupServer":"dns.example"}`: `name server: "dns.example"`,
	} {
		got := load(jsonData, nil)
		if len(got.Problems) == 0 || !strings.Contains(got.Problems[0].Error(), want) || got.Concurrency != defaultConcurrency || got.Lookup {
			t.Errorf("%s: %v, %d at once; want %q", jsonData, got.Problems, got.Concurrency, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	secrets := map[string]string{"httpHeaderValue1": "acme", "httpHeaderValue2": "x\ny", "httpHeaderValue3": "Basic abc", "httpHeaderValue5": "five"}
	got := load(`{"servers":[{"url":"https://a"}],"httpHeaderName1":" x-scope-orgid ","httpHeaderName4":"X-No-Value"}`, secrets)
	if diff := cmp.Diff(map[string]string{"X-Scope-Orgid": "acme"}, got.Headers); diff != "" || len(got.Problems) > 0 {
		t.Errorf("headers, problems %v (-want +got):\n%s", got.Problems, diff)
	}
	for jsonData, want := range map[string]string{
		`{"httpHeaderName2":"X-A"}`: "line break", `{"httpHeaderName1":"X A"}`: `header "X A"`, `{"httpHeaderName1":"host"}`: "header Host: is set by the data source",
	} {
		got := load(jsonData, secrets)
		if len(got.Problems) == 0 || !strings.Contains(got.Problems[0].Error(), want) || len(got.Headers) > 0 {
			t.Errorf("%s: %v %v, want %q", jsonData, got.Problems, got.Headers, want)
		}
	}
	secrets["token"] = "t"
	if got := load(`{"httpHeaderName3":"Authorization"}`, secrets); len(got.Problems) == 0 || len(got.Headers) > 0 {
		t.Errorf("token and Authorization: %v %v", got.Problems, got.Headers)
	}
}

// TestHeadersAreNotSentInClear: their values are secrets.
func TestHeadersAreNotSentInClear(t *testing.T) {
	settings := load(`{"servers":[{"name":"a","url":"http://a.example"}],"httpHeaderName1":"X-Key"}`, map[string]string{"httpHeaderValue1": "secret"})
	if s := connect(settings.Servers[0], settings, nil, nil); s.Problem == nil || !strings.Contains(s.Problem.Error(), "unencrypted") {
		t.Errorf("problem %v", s.Problem)
	}
}

func FuzzLoadSettings(f *testing.F) {
	f.Add([]byte(`{"servers":[{"name":"a","url":"http://a:1"},{"name":"a","url":"http://a:1"},{"name":"a_(entry_2)"}]}`))
	f.Add([]byte(`{"servers":[{}],"timeoutSeconds":1e300}`))
	f.Fuzz(func(t *testing.T, jsonData []byte) {
		settings := LoadSettings(backend.DataSourceInstanceSettings{JSONData: jsonData})
		seen := map[string]bool{}
		for _, s := range settings.Servers {
			if s.Name == "" || seen[s.Name] {
				t.Errorf("server name %q is empty or not its own", s.Name)
			}
			seen[s.Name] = true
		}
		if settings.Timeout <= 0 || settings.Timeout > maximumTimeoutSeconds*time.Second {
			t.Errorf("timeout %s", settings.Timeout)
		}
		if settings.Concurrency < 1 || settings.Concurrency > maximumConcurrency {
			t.Errorf("%d at once", settings.Concurrency)
		}
		if len(settings.Servers) == 0 && settings.DiscoveryURL == "" && settings.NATS.URL == "" && len(settings.Problems) == 0 {
			t.Error("nothing to ask, and nobody is told why")
		}
	})
}
