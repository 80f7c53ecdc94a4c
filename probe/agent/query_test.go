package agent

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// What is captured counts once in every live answer, whether it is stored, waits or is being counted; the stored
// intervals alone never have more.
func TestLiveQueryCountsEveryPacketOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "eth1")
		r := startRig(t, m, "eth*")
		defer r.close()
		var pushed, most uint64
		for step := range 40 { // 20 minutes, asking before, on and after every border
			m.source("eth0").push(step % 3)
			m.source("eth1").push(1)
			pushed += uint64(step%3) + 1
			r.wait(30 * time.Second)
			live := r.ask(true)
			if n := packets(live); n != pushed {
				t.Fatalf("after %s: %d of %d packets", time.Duration(step+1)*30*time.Second, n, pushed)
			}
			if a := live.Summary.Accounting; a.Received != pushed || a.Metered != pushed {
				t.Fatalf("step %d: %+v, pushed %d", step, a, pushed)
			}
			stored := packets(r.ask(false))
			if stored < most || stored > pushed {
				t.Fatalf("step %d: %d packets stored, %d before", step, stored, most)
			}
			most = stored
		}
		if most == 0 {
			t.Error("nothing was stored in 20 minutes")
		}
		r.stop()
		r.cancel = nil
		if n := packets(r.ask(false)); n != pushed {
			t.Errorf("%d of %d packets stored in the end", n, pushed)
		}
		if n := packets(r.ask(true)); n != pushed {
			t.Errorf("%d of %d packets in a live answer after the end", n, pushed)
		}
	})
}

func TestCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "eth1")
		r := newRig(t, m, "", func(c *Config) {
			c.Capture.Interfaces = []string{"eth0", "eth1"}
			c.Host.Labels = map[string]string{"site": "berlin"}
		})
		defer r.close()
		r.run()
		m.source("eth0").push(1)
		r.wait(7 * time.Minute)
		m.remove("eth1")
		r.wait(time.Minute)
		c, err := r.Catalog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Kind != "probe" || c.Host != "alpha" || c.HostID != r.store.HostID() || c.Labels["site"] != "berlin" ||
			c.Interval != 5*time.Minute || !c.Now.Equal(time.Now()) {
			t.Errorf("%+v", c)
		}
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		want := []wire.CatalogInterface{
			{Name: "eth0", First: begin, Last: begin.Add(5 * time.Minute), Capturing: true},
			{Name: "eth1", First: begin, Last: begin.Add(7 * time.Minute)}, // cut short when it went
		}
		if diff := cmp.Diff(want, c.Interfaces); diff != "" {
			t.Errorf("interfaces (-want +got):\n%s", diff)
		}
		if len(c.Fields) != len(flow.Fields()) || len(c.Shorthands) != len(flow.Shorthands()) {
			t.Errorf("%d fields, %d shorthands", len(c.Fields), len(c.Shorthands))
		}
		c.Labels["site"] = "paris"
		if again, err := r.Catalog(t.Context()); err != nil || again.Labels["site"] != "berlin" {
			t.Errorf("a caller changed the labels: %v, %v", again, err)
		}
	})
}

// Every feature that the catalog names is one that a request can ask for.
func TestFeatures(t *testing.T) {
	known := map[string]func(*wire.Request){
		"merge": func(r *wire.Request) { r.Merge = true }, "series": func(r *wire.Request) { r.Series = true },
		"other": func(r *wire.Request) { r.Other = true }, "live": func(r *wire.Request) { r.Live = true }, "sse": nil,
		"ndjson": nil, "arrow": nil, "lists": nil, "data_version": nil,
		"compare": func(r *wire.Request) { r.First, r.Last, r.Compare = "-2h", "-1h", "1d" }, "explain": func(r *wire.Request) { r.Explain = true },
		"seen":      func(r *wire.Request) { r.Query, r.Seen = "sip", true },
		"actors":    func(r *wire.Request) { r.Actors = &wire.Actors{Set: []string{"192.0.2.1"}} },
		"threshold": func(r *wire.Request) { r.Query, r.Threshold = "sip", new(uint64(5)) },
		"groups": func(r *wire.Request) {
			r.Groups = []wire.Group{{Attributes: wire.Attributes{Source: netip.MustParseAddr("192.0.2.1")}}}
		},
		"dedupe": func(r *wire.Request) { r.Dedupe = "max" }, "labels": func(r *wire.Request) { r.Query = "label.company" },
		"prefix": func(r *wire.Request) { r.Query = "time,sip/24" },
		"names":  func(r *wire.Request) { r.DNSResolution = &wire.DNSResolution{Enabled: true} },
	}
	for _, f := range features {
		set, ok := known[f]
		if !ok {
			t.Errorf("feature %q is not known to this test", f)
		}
		if set == nil {
			continue // an endpoint, tested with the server
		}
		request := wire.Request{Query: "time,sip", Ifaces: "any"}
		set(&request)
		if _, err := request.Prepare(time.Now()); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if !slices.Contains(features, "live") {
		t.Error("a probe answers live queries")
	}
}
