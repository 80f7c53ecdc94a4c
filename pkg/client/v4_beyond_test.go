package client

import (
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/wire"
)

// Networks are asked for as whole addresses, and grouped here.
func TestSensorNetworks(t *testing.T) {
	var seen map[string]any
	_, c := serving(t, sensor(t, "goprobe", liveRows, &seen))
	got, err := c.Query(t.Context(), &wire.Request{Query: "sip/24", Ifaces: "any", Merge: true})
	if err != nil {
		t.Fatal(err)
	}
	if seen["query"] != "sip" {
		t.Errorf("asked for %v", seen["query"])
	}
	if len(got.Rows) != 1 || got.Rows[0].Attributes.SourceText() != "192.0.2.0/24" || got.Rows[0].Counters.BytesReceived != 60 {
		t.Errorf("%+v", got.Rows)
	}
}

// What a v4 server cannot do is refused by name, not left out.
func TestSensorRefusesExtensions(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", liveRows, nil))
	for location, r := range map[string]wire.Request{
		"body.compare": {First: "-1h", Compare: "1d"},
		"body.enrich":  {Enrich: true},
		"body.actors":  {Actors: &wire.Actors{Set: []string{"192.0.2.1"}}},
	} {
		r.Query, r.Ifaces = "sip", "any"
		if _, err := c.Query(t.Context(), &r); err == nil || !strings.Contains(err.Error(), location) {
			t.Errorf("%s: %v", location, err)
		}
	}
}
