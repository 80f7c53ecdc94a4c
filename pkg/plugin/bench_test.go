package plugin

import (
	"encoding/json"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/wire"
)

// BenchmarkOverhead is a query whose servers answer at once with one row: what a panel costs beside the answer.
func BenchmarkOverhead(b *testing.B) {
	d := sourceOf([]string{"a", "b"}, newFake("a"), newFake("b"))
	query := backend.DataQuery{RefID: "A", TimeRange: lastHour, JSON: json.RawMessage(`{"version":2,"attributes":["sip","dip","dport","proto"],"condition":"dport = 443"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if response := d.query(b.Context(), query, false); response.Error != nil {
			b.Fatal(response.Error)
		}
	}
}

// BenchmarkVariable is a variable that lists the hosts of a company among a thousand behind a gateway.
func BenchmarkVariable(b *testing.B) {
	gateway := newFake("gw")
	for i := range 1000 {
		gateway.catalog.Hosts = append(gateway.catalog.Hosts, wire.CatalogHost{
			Name:  "host-" + string(rune('a'+i%26)) + "-" + string(rune('0'+i%10)) + string(rune('0'+i/10%10)) + string(rune('0'+i/100)),
			State: wire.StateOK, Labels: map[string]string{"company": "c" + string(rune('0'+i%7))}, Interfaces: []string{"eth0", "eth1"},
		})
	}
	d := sourceOf([]string{"gw"}, gateway)
	query := backend.DataQuery{RefID: "A", TimeRange: lastHour, JSON: json.RawMessage(`{"version":2,"queryType":"variable","variable":"hosts","hosts":"company=c3"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if response := d.query(b.Context(), query, false); response.Error != nil {
			b.Fatal(response.Error)
		}
	}
}
