package wire

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAttributesOnTheWire(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8:1:2::3")
	for _, test := range []struct {
		attributes Attributes
		want       string
	}{
		{Attributes{}, `{}`},
		{Attributes{Source: v4, Destination: v6, DestinationPort: 443, Protocol: 6, Verdict: "n/a"},
			`{"sip":"10.1.2.3","dip":"2001:db8:1:2::3","dport":443,"proto":6,"verdict":"n/a"}`},
		{Attributes{Source: Network(v4, 24), SourceBits: 24, Destination: v4}, `{"sip/24":"10.1.2.0/24","dip":"10.1.2.3"}`},
		{Attributes{Source: Network(v4, 48), SourceBits: 48, Destination: Network(v6, 48), DestinationBits: 48},
			`{"sip/48":"10.1.2.3/32","dip/48":"2001:db8:1::/48"}`},
	} {
		got, err := json.Marshal(test.attributes)
		if err != nil || string(got) != test.want {
			t.Errorf("%+v is written as %s, %v; want %s", test.attributes, got, err, test.want)
		}
		var again Attributes
		if err := json.Unmarshal(got, &again); err != nil {
			t.Errorf("%s: %v", got, err)
		}
		if diff := cmp.Diff(test.attributes, again, compareAddresses); diff != "" {
			t.Errorf("%s: %s", got, diff)
		}
	}
}

func TestAttributesFromElsewhere(t *testing.T) {
	var a Attributes
	if err := json.Unmarshal([]byte(`{"sip/24":"10.0.0.0","sport":7,"other/3":{},"proto":17}`), &a); err != nil {
		t.Fatal(err)
	}
	want := Attributes{Source: netip.MustParseAddr("10.0.0.0"), SourceBits: 24, Protocol: 17}
	if diff := cmp.Diff(want, a, compareAddresses); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`{"sip/0":"10.0.0.0"}`, `{"sip/129":"::"}`, `{"dip/x":"::"}`, `{"sip/8":3}`, `{"sip/8":"ten"}`, `{"proto":256}`} {
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestPrepareNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"sip/24,dip/48": "sip/24,dip/48", "src/8,dst/128,time": "sip/8,dip/128,time", "sip/24,sip/24": "sip/24", "sip / 1, dip": "sip/1,dip",
	} {
		q := prepare(t, Request{Query: text, Ifaces: "any"})
		if got := names(q); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
	q := prepare(t, Request{Query: "sip/24,time", Ifaces: "any"})
	if q.Columns[0].Prefix != 24 || q.Columns[0].Field.Name != "sip" || !q.Has("sip") {
		t.Errorf("columns %+v", q.Columns)
	}
	if got := q.Echo().Attributes; len(got) != 1 || got[0] != "sip/24" {
		t.Errorf("the echo is %q", got)
	}
	for text, part := range map[string]string{
		"sip/0": "from 1 to 128", "sip/129": "from 1 to 128", "sip/+4": "from 1 to 128", "sip/024": "from 1 to 128", "sip/": "from 1 to 128",
		"sip/99999999999999999999": "from 1 to 128", "dport/8": "only addresses", "time,proto/1": "column 6: ", "sipp/24": `did you mean "sip"`,
		"sip,sip/24": "sip/24 beside sip", "sip/24,src/16": "sip/16 beside sip/24", "raw,dip/8": "dip/8 beside dip",
	} {
		_, faults := parseColumns(text)
		if len(faults) != 1 || !strings.Contains(faults[0].Message, part) {
			t.Errorf("%q: faults %+v, want one with %q", text, faults, part)
		}
	}
}
