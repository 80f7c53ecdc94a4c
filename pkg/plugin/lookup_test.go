package plugin

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weirflow/weir/pkg/wire"
)

// nameServerOf answers reverse lookups with "host.example." and everything else with nothing; it counts questions.
func nameServerOf(t *testing.T) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}
			m.Additionals = nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypePTR {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
					Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("host.example.")},
				}}
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestReverseLookup(t *testing.T) {
	settings := Settings{Timeout: 5 * time.Second, Lookup: true, LookupServer: nameServerOf(t)}
	probe := ledger("a", entry{10 * minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(10, 10, 0)})
	d, err := newDataSource("weir", settings, []server{{Server: Server{Name: "a"}, client: probe, close: func() error { return nil }}}, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	response := askOne(t, d, `{"version":2,"attributes":["sip","dip"],"resolve":"true"}`)
	if response.Error != nil {
		t.Fatal(response.Error)
	}
	if got := cells(t, response.Frames[0], "sip", "sip_name", "dip", "dip_name"); got[0] != "10.0.0.1 host.example 192.0.2.10 host.example" {
		t.Errorf("row %q", got)
	}
	series := askOne(t, d, `{"version":2,"queryType":"timeseries","attributes":["sip"],"resolve":true}`)
	if series.Error != nil || series.Frames[0].Fields[1].Config.DisplayNameFromDS != "host.example" || series.Frames[0].Fields[1].Labels["sip"] != "10.0.0.1" {
		t.Errorf("series: %v %v", series.Error, series.Frames)
	}
	alert := ask(t, d, alertHeaders, map[string]string{"A": `{"version":2,"attributes":["sip"],"resolve":true}`})["A"]
	if alert.Error != nil || len(alert.Frames[0].Fields) != 2 {
		t.Errorf("an alert rule gets %v: %v", alert.Frames, alert.Error)
	}
}

// knowing is a server that knows where addresses belong.
type knowing struct{ *fake }

func (k knowing) Abilities(context.Context) (wire.Abilities, error) {
	var a wire.Abilities
	err := json.Unmarshal([]byte(`{"features":["enrich"]}`), &a)
	return a, err
}

func (k knowing) Probe(context.Context) error { return nil }

func (k knowing) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	result, err := k.fake.Query(ctx, r)
	if err == nil && r.Enrich {
		result.Summary.Enrichment = map[netip.Addr]wire.Origin{netip.MustParseAddr("192.0.2.10"): {Country: "NL", ASN: 64500, Organisation: "Example\nLtd"}}
	}
	return result, err
}

func TestEnrichment(t *testing.T) {
	row := entry{10 * minute, "eth0", "10.0.0.1", "192.0.2.10", 443, tried(10, 10, 0)}
	d := sourceOf([]string{"a", "b"}, ledger("a", row), ledger("b", row))
	servers := d.roster.list()
	servers[1].client = limit(knowing{servers[1].client.(*fake)}, 4)
	const query = `{"version":2,"attributes":["sip","dip"],"enrich":true}`
	response := askOne(t, d, query)
	if response.Error != nil {
		t.Fatal(response.Error)
	}
	if got := cells(t, response.Frames[0], "dip", "dip_country", "dip_network"); got[0] != "192.0.2.10 NL AS64500 Example Ltd" {
		t.Errorf("row %q", got)
	}
	for _, n := range response.Frames[0].Meta.Notices {
		if strings.Contains(n.Text, "did not answer") {
			t.Errorf("the server that does not know is asked for it: %s", n.Text)
		}
	}
	nobody := askOne(t, sourceOf([]string{"a"}, ledger("a", row)), query)
	if nobody.Error != nil || !strings.Contains(nobody.Frames[0].Meta.Notices[len(nobody.Frames[0].Meta.Notices)-1].Text, "no server knows where these addresses belong") {
		t.Errorf("%v %v", nobody.Error, nobody.Frames[0].Meta.Notices)
	}
}
