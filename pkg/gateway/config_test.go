package gateway

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/pkg/configfile"
)

// The example is the default, its alternatives can be read, too, and it has every key there is.
func TestExample(t *testing.T) {
	got, err := Parse([]byte(Example()))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	got.API.Listen = nil // the default listens nowhere
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("example.yaml differs from the defaults (-default +example):\n%s", diff)
	}
	open := regexp.MustCompile(`(?m)^( *)#([-a-z ] )`).ReplaceAllString(Example(), "$1$2")
	open = regexp.MustCompile(`(?m)^( *)#(wan:)`).ReplaceAllString(open, "$1$2")
	cfg, err := Parse([]byte(open))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, open)
	}
	i := cfg.Inventory
	if len(cfg.API.Listen) != 3 || len(cfg.API.Tokens) != 1 || len(i.Hosts) != 1 || len(i.Groups) != 1 || len(i.FileSD) != 1 || len(i.HTTPSD) != 1 ||
		len(i.DNSSRV) != 1 || len(i.NATS) != 1 || len(cfg.NATSServer.Accounts) != 1 || len(cfg.Auth) != 1 || len(cfg.Lists) != 1 {
		t.Errorf("the alternatives say %+v", cfg)
	}
	for _, key := range keys(reflect.TypeFor[Config]()) {
		if !regexp.MustCompile(`[\s{#-]` + key + `:`).MatchString(Example()) {
			t.Errorf("example.yaml lacks the key %s", key)
		}
	}
}

func keys(t reflect.Type) (all []string) {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer:
		return keys(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if name := configfile.Key(t.Field(i)); name != "" {
				all = append(append(all, name), keys(t.Field(i).Type)...)
			}
		}
	}
	return all
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"inventry: {}":                                               `line 1, column 1: unknown key "inventry"; did you mean "inventory"?`,
		"fleet: {host_timeout: soon}":                                `line 1, column 23: fleet.host_timeout: "soon" is no duration`,
		"fleet: {concurrency: 0}":                                    "fleet: concurrency",
		"auth: [{name: a}]":                                          "auth[0]: a: for is missing",
		"auth: [{name: a, for: [x]}, {name: a, for: [x]}]":           "auth[1]: a second credential",
		"auth: [{name: a, for: [1.2.3.4/99]}]":                       "is no network",
		"auth: [{name: a, for: [x], key_file: k}]":                   "belong together",
		"inventory: {http_sd: [{url: ftp://x}]}":                     "inventory.http_sd[0]: url",
		"inventory: {http_sd: [{url: 'https://me:pw@x'}]}":           "without user and password",
		"inventory: {dns_srv: [{refresh: 1m}]}":                      "inventory.dns_srv[0]: name is missing",
		"inventory: {file_sd: [{path: x, defaults: {scheme: ftp}}]}": "expected https or http",
		"lists: [{name: 'a b', path: x}]":                            "lists[0]",
		"api: {listen: [{tcp: ':8145'}]}":                            "api: listen[0]: tcp :8145 without tls",
		"max_answer: 1":                                              "max_answer",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestKeyring(t *testing.T) {
	files := map[string]string{"/t": " secret\n", "/p": "partner", "/empty": "\n"}
	ring := loadKeyring([]Credential{
		{Name: "own", For: []string{"*.acme.example", "10.0.0.0/8"}, TokenFile: "/t"},
		{Name: "partner", For: []string{"gw.partner.example", "2001:db8::/32"}, TokenFile: "/p"},
		{Name: "broken", For: []string{"broken.example"}, TokenFile: "/empty"},
	}, func(path string, _ int64) ([]byte, error) { return []byte(files[path]), nil })
	for _, test := range []struct{ auth, url, token, fault string }{
		{"", "https://fra-1.acme.example:8145", "secret", ""},
		{"", "HTTPS://FRA-1.ACME.EXAMPLE.", "secret", ""},
		{"", "10.1.2.3:8145", "secret", ""},
		{"own", "https://10.1.2.3", "secret", ""},
		{"", "https://[2001:db8::7]:8145", "partner", ""},
		{"partner", "https://gw.partner.example", "partner", ""},
		{"", "https://acme.example.evil.example", "", ""},
		{"", "unix:/run/weir/probe.sock", "", ""},
		{"partner", "https://evil.example", "", "auth partner is not for evil.example"},
		{"nobody", "https://fra-1.acme.example", "", "auth nobody is not configured"},
		{"", "https://broken.example", "", "/empty is empty"},
	} {
		c, err := ring.find(test.auth, test.url)
		if err == nil && test.fault == "" {
			if c.token != test.token {
				t.Errorf("%+v: token %q", test, c.token)
			}
			continue
		}
		if err == nil || test.fault == "" || !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
