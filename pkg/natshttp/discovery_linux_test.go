package natshttp

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/inventory"
)

// discover runs a discovery until the test ends, with a clock that can be set ahead.
func discover(t *testing.T, l *Link, cfg DiscoveryConfig) (*Discovery, *atomic.Int64) {
	t.Helper()
	ahead := new(atomic.Int64)
	d := NewDiscovery(cfg, l, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return d, ahead
}

func load(t *testing.T, d *Discovery) *inventory.List {
	t.Helper()
	list, err := d.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func names(list *inventory.List) string {
	var all []string
	for _, e := range list.Entries {
		all = append(all, e.Name)
	}
	return strings.Join(all, " ")
}

// discovered waits until those are the hosts: Load gives them a second and a half, which a machine that stands still takes.
func discovered(t *testing.T, d *Discovery, want string) {
	t.Helper()
	got := ""
	eventually(t, want+" is discovered", func() bool {
		list, err := d.Load(t.Context())
		if err != nil {
			got = err.Error()
			return false
		}
		if now := names(list); now != got {
			got = now
			t.Logf("discovered: %q", got)
		}
		return got == want
	})
}

func TestDiscovery(t *testing.T) {
	s := startServer(t, "")
	at := func(site, id string, labels map[string]string) func(*ResponderConfig) {
		return func(cfg *ResponderConfig) {
			cfg.Site = site
			cfg.Here = Announcement{ID: id, Labels: labels, Version: "1.2"}
		}
	}
	respond(t, link(t, s), "web.example", hello(), at("fra", "1", map[string]string{"company": "acme"})) // there before anybody asks
	d, ahead := discover(t, link(t, s), DiscoveryConfig{Auth: "fleet", Remember: time.Hour})
	all, _ := discover(t, link(t, s), DiscoveryConfig{Site: "zrh"})
	discovered(t, d, "web.example")
	e := load(t, d).Entries[0]
	if e.Name != "web.example" || e.URL != "nats://web=2Eexample.fra" || e.ID != "1" || e.Labels["company"] != "acme" || e.Labels["site"] != "fra" || e.Auth != "fleet" || !e.Discovered {
		t.Errorf("%+v", e)
	}
	c, _ := ask(t, link(t, s))
	if _, text := get(t, c, e.URL+"/x"); text != "hello" {
		t.Errorf("its URL leads to %q", text)
	}
	stop := respond(t, link(t, s), "web.example", hello(), at("zrh", "2", nil))
	<-d.Changed() // which the first host may have caused, too
	eventually(t, "two of a name are told apart", func() bool { return names(load(t, d)) == "fra/web.example zrh/web.example" })
	eventually(t, "the one of a site is listed", func() bool { return names(load(t, all)) == "web.example" })
	respond(t, link(t, s), "web.example", hello(), at("fra", "3", nil)) // a copy with another store
	eventually(t, "the second host of a name is named", func() bool {
		faults := strings.Join(load(t, d).Faults, "; ")
		return strings.Contains(faults, "ids 1 and 3")
	})
	stop() // takes leave
	<-d.Changed()
	eventually(t, "who takes leave is listed no longer", func() bool { return names(load(t, d)) == "web.example" })
	// Silence: listed and named, and forgotten after an hour. Those that remain speak every half minute: where one is heard
	// just now, the time has to pass once more.
	eventually(t, "who is silent is listed and named", func() bool {
		ahead.Add(int64(2 * time.Minute))
		list := load(t, d)
		return names(list) == "web.example" && strings.Contains(strings.Join(list.Faults, ""), "silent since")
	})
	eventually(t, "who is silent for an hour is forgotten", func() bool {
		ahead.Add(int64(61 * time.Minute))
		d.expire()
		return len(load(t, d).Entries) == 0
	})
}

func TestForgedAnnouncements(t *testing.T) {
	s := startServer(t, "")
	l := link(t, s)
	d, _ := discover(t, link(t, s), DiscoveryConfig{MaxHosts: 2})
	load(t, d)
	good := Announcement{Name: "web", Site: "fra", ID: "1", Instance: "i", IntervalSeconds: 30}
	say := func(subject string, value any) {
		data, _ := json.Marshal(value)
		if err := l.conn.Publish(subject, data); err != nil {
			t.Error(err)
		}
	}
	say("weir.v1.fra.db.here", good)                      // for another
	say("weir.v1.fra.web.here", "text")                   // no announcement
	say("weir.v1.fra.web.here", strings.Repeat("x", 1e5)) // too long
	endless := good
	endless.IntervalSeconds = 1 << 30
	say("weir.v1.fra.web.here", endless)
	labelled := good
	labelled.Labels = map[string]string{"a": strings.Repeat("x", 1000)}
	say("weir.v1.fra.web.here", labelled)
	say("weir.v1.fra.web.here", good)
	leave := good
	leave.Instance, leave.Leaving = "j", true // another process's leave
	say("weir.v1.fra.web.here", leave)
	for _, name := range []string{"b", "c"} {
		more := good
		more.Name, more.ID = name, name
		say("weir.v1.fra."+name+".here", more)
	}
	eventually(t, "all were heard", func() bool {
		list, err := d.Load(t.Context())
		return err == nil && names(list) == "b web" && strings.Contains(strings.Join(list.Faults, ""), "6 announcements were refused, the last one: fra/c: beyond the limit of 2 hosts")
	})
}

func FuzzAnnouncement(f *testing.F) {
	f.Add([]byte(`{"name":"web","site":"fra","interval_seconds":30,"labels":{"a":"b"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := new(Announcement)
		if json.Unmarshal(data, a) != nil || a.validate() != nil {
			return
		}
		if _, err := json.Marshal(a); err != nil {
			t.Error(err)
		}
		if a.address().Validate() != nil || a.interval() <= 0 || a.interval() > maxInterval {
			t.Errorf("%+v", a)
		}
	})
}
