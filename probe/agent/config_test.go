package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/meter"
)

// describe is what changed, on one line.
func describeChanges(c Changes) string {
	var parts []string
	for _, list := range []struct {
		mark    string
		changes []Change
	}{{"+", c.Enabled}, {"~", c.Updated}, {"-", c.Disabled}} {
		for _, change := range list.changes {
			text := list.mark + change.Name
			if change.Err != nil {
				text += "(" + change.Err.Error() + ")"
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

func TestSetInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "eth1", "eth2")
		r := startRig(t, m, "eth0", "eth1")
		defer r.close()
		set := func(settings map[string]InterfaceSettings, want string) {
			t.Helper()
			c, err := r.SetInterfaces(t.Context(), settings)
			if got := describeChanges(c); err != nil || got != want {
				t.Errorf("got %s, %v; want %s", got, err, want)
			}
			synctest.Wait()
		}
		m.source("eth0").push(3)
		m.source("eth1").push(5)
		synctest.Wait()
		left := m.source("eth0")
		next := map[string]InterfaceSettings{"eth0": {}, "eth2": {Promiscuous: true}}
		set(next, "+eth2 -eth1")
		if left.isClosed() || m.source("eth0") != left {
			t.Error("an interface whose settings stay was not left alone")
		}
		set(next, "") // the same again changes nothing
		set(map[string]InterfaceSettings{"eth0": {Blocks: 8}, "eth2": {Promiscuous: true}}, "~eth0")
		if got := r.Interfaces(); !cmp.Equal(got, map[string]InterfaceSettings{
			"eth0": InterfaceSettings{Blocks: 8}.completed(r.cfg.Capture.common()),
			"eth2": InterfaceSettings{Promiscuous: true}.completed(r.cfg.Capture.common())}) {
			t.Errorf("settings %+v", got)
		}
		set(map[string]InterfaceSettings{"wlan9": {}}, "+wlan9(no such interface) -eth0 -eth2")
		// Nothing was lost on the way.
		if got := packets(r.ask(true)); got != 8 {
			t.Errorf("%d packets, want 8", got)
		}
		r.wait(time.Minute)
		m.add("wlan9") // looked for, like every interface that is named
		r.wait(time.Minute)
		if !slices.Equal(r.runningNow(), []string{"wlan9"}) {
			t.Errorf("running: %v", r.runningNow())
		}
		c, err := r.Reload(t.Context())
		if got := describeChanges(c); err != nil || got != "+eth0 +eth1 -wlan9" {
			t.Errorf("reload: %s, %v", got, err)
		}
	})
}

func TestReloadReadsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "eth1")
		r := newRig(t, m, "", func(c *Config) { c.Capture.Interfaces = []string{"eth0"} })
		var broken error
		r.deps.Reload = func() (Capture, error) {
			c := r.cfg.Capture
			c.Interfaces = []string{"eth1"}
			return c, broken
		}
		r.run()
		defer r.close()
		c, err := r.Reload(t.Context())
		if got := describeChanges(c); err != nil || got != "+eth1 -eth0" {
			t.Errorf("%s, %v", got, err)
		}
		broken = errors.New("line 3: unknown key")
		if _, err := r.Reload(t.Context()); !errors.Is(err, broken) || !slices.Equal(r.runningNow(), []string{"eth1"}) {
			t.Errorf("a broken file: %v, running %v", err, r.runningNow())
		}
	})
}

func TestNoChangesAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMachine("eth0"), "eth0")
		r.stop()
		r.cancel = nil
		if _, err := r.SetInterfaces(t.Context(), nil); !errors.Is(err, errNotRunning) {
			t.Error(err)
		}
		r.close()
	})
}

// Changes from many sides come one after the other, and lose nothing.
func TestChangesWhileCapturing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "eth1")
		r := newRig(t, m, "", func(c *Config) {
			c.Capture.Interfaces = []string{"eth0"}
			c.Meter = meter.DefaultConfig()
		})
		r.run()
		defer r.close()
		pushed := 0
		for i := range 20 {
			m.source("eth0").push(1)
			pushed++
			synctest.Wait()
			r.wait(time.Second)
			if _, err := r.SetInterfaces(t.Context(), map[string]InterfaceSettings{"eth0": {Blocks: 8 + i%2}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := packets(r.ask(true)); got != uint64(pushed) {
			t.Errorf("%d packets, want %d", got, pushed)
		}
	})
}

// configuring is a configurer that notes what it is told.
type configuring struct {
	set map[string]InterfaceSettings
	err error
}

func (c *configuring) Interfaces() map[string]InterfaceSettings {
	return map[string]InterfaceSettings{"eth0": {Promiscuous: true, BlockSize: 1 << 20, Blocks: 4}, "lo": {BlockSize: 1 << 18, Blocks: 16}}
}

func (c *configuring) SetInterfaces(_ context.Context, s map[string]InterfaceSettings) (Changes, error) {
	c.set = s
	return Changes{Enabled: []Change{{Name: "eth0"}}, Disabled: []Change{{Name: "lo"}}}, c.err
}

func (c *configuring) Reload(context.Context) (Changes, error) { return Changes{}, c.err }

func (c *configuring) request(method, path, body string) (int, string, http.Header) {
	mux := http.NewServeMux()
	for _, r := range configRoutes(c) {
		mux.Handle(r.Pattern, r.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, strings.TrimSpace(string(text)), w.Header()
}

func TestConfigRoutes(t *testing.T) {
	c := &configuring{}
	const eth0 = `"eth0":{"ignore_vlans":false,"promisc":true,"ring_buffer":{"block_size":1048576,"num_blocks":4},"extra_bpf_filters":null,"disable":false}`
	const lo = `"lo":{"ignore_vlans":false,"promisc":false,"ring_buffer":{"block_size":262144,"num_blocks":16},"extra_bpf_filters":null,"disable":false}`
	for path, want := range map[string]string{
		"/config":                  `{"status_code":200,"ifaces":{` + eth0 + `,` + lo + `}}`,
		"/config/eth0":             `{"status_code":200,"ifaces":{` + eth0 + `}}`,
		"/config/lo,eth9":          `{"status_code":200,"ifaces":{` + lo + `}}`,
		"/config?ifaces=eth0%2Clo": `{"status_code":200,"ifaces":{` + eth0 + `,` + lo + `}}`,
		"/config/eth9":             ``,
		"/config?ifaces=eth8,eth9": ``,
	} {
		code, body, _ := c.request("GET", path, "")
		if body != want || (code == 204) != (want == "") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	// What GET gives, PUT takes.
	code, body, _ := c.request("PUT", "/config", `{`+eth0+`,`+lo+`}`)
	if code != 200 || body != `{"status_code":200,"enabled":[{"name":"eth0","success":true}],"updated":[],"disabled":[{"name":"lo","success":true}]}` {
		t.Errorf("PUT: %d %s", code, body)
	}
	if !cmp.Equal(c.set, c.Interfaces()) {
		t.Errorf("set %+v", c.set)
	}
	code, body, _ = c.request("PUT", "/config", `{"a0":{"disable":true,"ring_buffer":null},"b0":{"ignore_vlans":true},"c0":{"extra_bpf_filters":[{"Op":6,"Jt":0,"Jf":0,"K":262144}]},"d0":{},"$schema":"x"}`)
	want := map[string]InterfaceSettings{"b0": {Untagged: true}, "c0": {BPF: []bpf.RawInstruction{{Op: 6, K: 262144}}}, "d0": {}}
	if code != 200 || !cmp.Equal(c.set, want) {
		t.Errorf("PUT: %d %s, set %+v", code, body, c.set)
	}
	if code, body, _ := c.request("POST", "/config/_reload", ""); code != 200 || body != `{"status_code":200,"enabled":[],"updated":[],"disabled":[]}` {
		t.Errorf("reload: %d %s", code, body)
	}
}

func TestConfigRouteFaults(t *testing.T) {
	c := &configuring{}
	for _, test := range []struct {
		body   string
		status int
		part   string
	}{
		{``, 400, "expected a JSON object"}, {`null`, 400, "JSON object"}, {`[1]`, 400, "JSON object"}, {`{"eth0":`, 400, "JSON object"},
		{`{}`, 422, "0 interfaces: expected 1 to 1024"},
		{`{"$schema":"x"}`, 422, "0 interfaces"},
		{`{"eth0":{"promisc":"yes"}}`, 422, `"location":"body.eth0"`},
		{`{"eth0":{"promisk":true}}`, 422, `did you mean \"promisc\"?`},
		{`{"eth0":{"ring_buffer":{"block_siz":1}}}`, 422, `did you mean \"block_size\"?`},
		{`{"eth0":[]}`, 422, "expected an object"},
		{`{"eth0":{"extra_bpf_filters":[{"Op":65535}]}}`, 422, "extra_bpf_filters: filter program: instruction 1"},
		{`{"eth0":{"extra_bpf_filters":[{"Op":5,"K":7}]}}`, 422, "jumps out of the program"},
		{`{"eth0":{"extra_bpf_filters":[{"Opp":6}]}}`, 422, `unknown member \"Opp\"`},
		{`{"eth0":{"ring_buffer":{"block_size":1000,"num_blocks":4}}}`, 422, "power of two"},
		{`{"eth0":{"ring_buffer":{"block_size":67108864,"num_blocks":4096}}}`, 422, "more than"},
		{`{"eth0":{"ring_buffer":{"num_blocks":-1}}}`, 422, "num_blocks -1"},
		{`{"a b":{},"eth,1":{},"../x":{}}`, 422, "no name of an interface"},
		{`{"` + strings.Repeat("x", 1000) + `":{}}`, 422, "no name"},
	} {
		code, body, header := c.request("PUT", "/config", test.body)
		var p wire.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || code != test.status || header.Get("Content-Type") != wire.ProblemType || !strings.Contains(body, test.part) {
			t.Errorf("%.60s: %d %s", test.body, code, body)
		}
	}
	many := map[string]any{}
	for i := range maxConfigured + 1 {
		many[fmt.Sprint("eth", i)] = map[string]any{}
	}
	text, _ := json.Marshal(many)
	if code, _, _ := c.request("PUT", "/config", string(text)); code != 422 {
		t.Errorf("too many interfaces: %d", code)
	}
	c.err = errors.New("line 3: unknown key")
	if code, body, _ := c.request("POST", "/config/_reload", ""); code != 400 || !strings.Contains(body, "line 3") {
		t.Errorf("broken file: %d %s", code, body)
	}
	c.err = errNotRunning
	if code, _, _ := c.request("PUT", "/config", `{"eth0":{}}`); code != 503 {
		t.Errorf("not running: %d", code)
	}
	if c.set == nil {
		t.Error("nothing was tried")
	}
}

func FuzzDecodeConfigs(f *testing.F) {
	for _, seed := range []string{`{"eth0":{}}`, `{"eth0":{"ring_buffer":{"block_size":4096,"num_blocks":2}}}`, `{"a":null}`, "", " ", "{", `{"eth0":{"promisc":1}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		configs, p := decodeConfigs(strings.NewReader(body))
		if p != nil && (p.Status < 400 || p.Status > 499 || len(p.Errors) == 0) || p == nil && len(configs) == 0 {
			t.Errorf("%q: %+v, %v", body, configs, p)
		}
	})
}
