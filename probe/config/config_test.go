package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/configfile"
	"github.com/weirflow/weir/probe/store"
)

func TestParseReadsWhatIsWritten(t *testing.T) {
	cfg, err := Parse([]byte(`
host: {name: alpha, labels: {site: berlin, rack: 12}}
capture: {interfaces: [any], promiscuous: true, rescan: 1m30s}
meter:
  interval: &length "60s"
  checkpoint: 0
  table: {idle_lifetime: *length}
api:
  listen:
    - tcp: 127.0.0.1:8146
      insecure: {allow: [192.0.2.0/24, "2001:db8::/32"]}
  limits: {rate: 2.5, timeout: 0s}
log: {level: warn, format: json}
store: {retention: {max_age: 90d, max_bytes: 50GB, min_free: 0}}
`))
	if err != nil {
		t.Fatal(err)
	}
	allow := cfg.API.Listen[0].Insecure.Allow
	if cfg.Host.Name != "alpha" || cfg.Host.Labels["rack"] != "12" || !cfg.Capture.Promiscuous || cfg.Capture.Rescan != 90*time.Second ||
		cfg.Meter.Interval != time.Minute || cfg.Meter.Checkpoint != 0 || cfg.Meter.Table.IdleLifetime != time.Minute ||
		len(allow) != 2 || allow[1] != netip.MustParsePrefix("2001:db8::/32") || cfg.API.Limits.Rate != 2.5 || cfg.API.Limits.Timeout != 0 ||
		cfg.Log.Level.String() != "WARN" || cfg.Store.Path != DefaultStore ||
		cfg.Store.Retention != (store.Retention{MaxAge: 90 * 24 * store.Age(time.Hour), MaxBytes: 50e9}) {
		t.Errorf("%+v", cfg)
	}
}

// Every fault is one line that says where it is, which key it is about and what is expected, in no words of Go.
func TestParseFaults(t *testing.T) {
	for text, want := range map[string]string{
		"log: {level: loud}":                                          `line 1, column 14: log.level: "loud" is no level: expected debug, info, warn or error`,
		"meter:\n  interval: soon":                                    `line 2, column 13: meter.interval: "soon" is no duration such as 10s or 5m`,
		"meter: {interval: 300}":                                      `line 1, column 19: meter.interval: "300" is no duration such as 10s or 5m`,
		"capture: {blocks: many}":                                     `line 1, column 19: capture.blocks: "many" is no whole number`,
		"meter: {table: {memory: 1.5}}":                               `line 1, column 25: meter.table.memory: "1.5" is no whole number`,
		"capture: {settings: [{interfaces: [eth0], fanout: no}]}":     `line 1, column 51: capture.settings[0].fanout: "no" is no whole number`,
		"capture: {settings: [{interfaces: [eth0], vlan: only}]}":     "capture.settings[0]: vlan mode only lists no vlan ids",
		"capture: {vlan: only, vlans: [70000]}":                       `line 1, column 31: capture.vlans[0]: "70000" is no whole number from 0 to 65535`,
		"capture: {settings: [{vlan: split}]}":                        "capture.settings[0]: interfaces: names none",
		"capture: {vlan: some, fanout: 0, tunnels: all}":              `capture: fanout is 0: it must be between 1 and 64; vlan mode "some" is neither ignore, split nor only; tunnels "all" is neither outer nor both`,
		"capture: {promiscuous: 1}":                                   `line 1, column 24: capture.promiscuous: "1" is no truth value: expected true or false`,
		"api: {limits: {rate: fast}}":                                 `line 1, column 22: api.limits.rate: "fast" is no number`,
		"api:\n- a":                                                   `line 2, column 1: `,
		"capture: {interfaces: eth0}":                                 `line 1, column 23: `,
		"capture: {intrefaces: [eth0]}":                               `line 1, column 11: unknown key "intrefaces"; did you mean "interfaces"?`,
		"store: {path: /a}\nstore: {path: /b}":                        `line 2, column 1: `,
		"log: {level: info}\n---\nlog: {level: warn}":                 `line 3, column 4: a second document begins here: a configuration is one`,
		"api: {listen: [{tcp: ':1', insecure: {allow: [10.0.0.0]}}]}": `line 1, column 47: api.listen[0].insecure.allow[0]: "10.0.0.0" is no network such as 192.0.2.0/24`,
		"store: {retention: {max_bytes: much}}":                       `line 1, column 32: store.retention.max_bytes: "much" is no size such as 50GB or 512MiB`,
		"store: {retention: {max_age: 1.5}}":                          `line 1, column 30: store.retention.max_age: "1.5" is no age such as 400d or 36h`,
		"store: {retention: {max_age: 3h}}":                           `store.retention: max_age is 3h0m0s: at least 1d, or 0 for no bound`,
		"store: {path: \"\"}":                                         `store.path is empty`,
		"log: {format: xml}":                                          `log.format is "xml": text or json`,
		"capture: {rescan: 1s, interfaces: [\"/[/\"]}":                `capture.interfaces: `,
		"\x00":    "",
		"a: b: c": "line 1, column 4: ",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long.yaml")
	if err := os.WriteFile(long, []byte(strings.Repeat("# comment\n", configfile.MaxSize/10+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "absent.yaml"): "weir-probe example-config prints one",
		long:                              "is it the right file?",
		dir:                               "read configuration " + dir,
	} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// FuzzParse: no text makes Parse panic, and what it takes is valid.
func FuzzParse(f *testing.F) {
	f.Add([]byte(Example()))
	for _, seed := range []string{"store: {path: ", "a: &a [*a]", "? :", "capture:\n  settings: [{interfaces: [eth0], blocks: 8}]", "log: !!binary \"\"", "- {prSmisc: true, "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			t.Skip()
		}
		cfg, err := Parse(text)
		if err == nil {
			err = cfg.Validate()
		}
		if err != nil && (err.Error() == "" || strings.Contains(err.Error(), "\n")) {
			t.Errorf("error %q", err)
		}
	})
}
