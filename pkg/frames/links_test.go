package frames

import (
	"net/url"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// clicked is a link as Grafana follows it: what it replaces is encoded.
func clicked(t *testing.T, link data.DataLink, values map[string]string) (path string, query url.Values) {
	t.Helper()
	text := link.URL
	for placeholder, value := range values {
		text = strings.ReplaceAll(text, placeholder, url.QueryEscape(value))
	}
	u, err := url.Parse(text)
	if err != nil || strings.Contains(u.Path+u.RawQuery, "${") {
		t.Fatalf("%s becomes %s: %v", link.URL, text, err)
	}
	return u.Path, u.Query()
}

func TestLinks(t *testing.T) {
	values := map[string]string{
		"${__value.raw}": "10.0.0.1", `${__data.fields["dip"]}`: "2001:db8::1", `${__data.fields["proto"]}`: "tcp", `${__data.fields["host"]}`: "ams-1",
		"${__from}": "1000", "${__to}": "2000",
	}
	l := Links{DataSource: "u&id", Condition: `dport = 443 & sip != "a b"`}
	names := []string{"host", "iface", "sip", "dip", "dport", "proto"}
	for _, test := range []struct {
		column, path, variable, value string
		link                          int
	}{
		{"sip", "/d/weir-actors", "actors", "10.0.0.1", 0},
		{"sip", "/d/weir-global", "condition", `(dport = 443 & sip != "a b") & host = 10.0.0.1`, 1},
		{"sip", "/d/weir-path", "b", "2001:db8::1", 2},
		{"host", "/d/weir-host", "host", "10.0.0.1", 0},
		{"iface", "/d/weir-host", "host", "ams-1", 0},
		{"dport", "/d/weir-global", "condition", `(dport = 443 & sip != "a b") & dport = 10.0.0.1 & proto = tcp`, 0},
		{"sip/24", "/d/weir-global", "condition", `(dport = 443 & sip != "a b") & sip = 10.0.0.1`, 1},
	} {
		links := l.column(columns(t, test.column)[0], names)
		path, query := clicked(t, links[test.link], values)
		if path != test.path || query.Get("var-"+test.variable) != test.value || query.Get("var-ds") != "u&id" || query.Get("from") != "1000" || query.Get("to") != "2000" {
			t.Errorf("%s: %s %v, want %s with %s = %s", test.column, path, query, test.path, test.variable, test.value)
		}
	}
	if links := (Links{}).column(columns(t, "sip")[0], names); links != nil {
		t.Errorf("links without a data source: %v", links)
	}
}
