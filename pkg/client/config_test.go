package client

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"probe":                         "http://probe:8145",
		"probe:9000":                    "http://probe:9000",
		"probe:9000/":                   "http://probe:9000",
		"192.0.2.1":                     "http://192.0.2.1:8145",
		"[2001:db8::1]":                 "http://[2001:db8::1]:8145",
		"[2001:db8::1]:80":              "http://[2001:db8::1]:80",
		"http://probe":                  "http://probe",
		"https://probe/weir/":           "https://probe/weir",
		" https://me:secret@probe:8145": "https://probe:8145",
		"unix:/run/weir/probe.sock":     "unix:/run/weir/probe.sock",
		"unix:///run/weir/probe.sock":   "unix:/run/weir/probe.sock",
	} {
		if a, err := parseAddress(text, false); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"", "ftp://probe", "unix:", "unix:///", "http://", "probe:", "probe?x=1", "http://probe/#x", "pro be", "probe:x"} {
		if a, err := parseAddress(text, false); err == nil {
			t.Errorf("%q is accepted as %s", text, a)
		}
	}
	if _, err := parseAddress("ftp://me:secret@probe", false); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestTokenStaysPrivate(t *testing.T) {
	for url, private := range map[string]bool{
		"https://probe": true, "http://probe": false, "probe": false, "http://192.0.2.1": false, "http://127.0.0.1": true,
		"http://[::1]:8145": true, "localhost:8145": true, "unix:/x": true, "http://localhost.example.org": false, "http://127.0.0.1.example.org": false,
	} {
		_, err := New(Config{URL: url, Token: "secret"}, Deps{})
		if (err == nil) != private {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the token: %v", url, err)
		}
		if _, err := New(Config{URL: url, Token: "secret", AllowCleartextToken: true}, Deps{}); err != nil {
			t.Errorf("%s, allowed: %v", url, err)
		}
	}
}
