package serve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// The two ends of the contract understand each other over every kind of listener.
func TestOwnClient(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.issue("server", time.Now().Add(time.Hour))
	shown, secret := a.issue("grafana", time.Now().Add(time.Hour))
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	socket := filepath.Join(t.TempDir(), "probe.sock")
	cfg := DefaultConfig()
	cfg.Listen = []Listen{
		{Unix: socket},
		{TCP: "127.0.0.1:0", Insecure: loopback},
		{TCP: "127.0.0.1:0", TLS: &TLS{Certificate: certificate, Key: key, ClientCA: filepath.Join(a.dir, "ca.pem")}},
	}
	cfg.Tokens = []Token{{"grafana", RoleQuery, hash("secret")}}
	s, _ := start(t, cfg, Deps{Info: Info{Name: "weir-probe", Version: "1.0.0"}, Querier: fake{func(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		return result(int(q.Limit)), nil
	}}})
	authority := read(filepath.Join(a.dir, "ca.pem"))
	secure := "https://" + s.Addrs()[2].String()
	for name, cfg := range map[string]client.Config{
		"unix":        {URL: "unix:" + socket},
		"insecure":    {URL: s.Addrs()[1].String()},
		"token":       {URL: secure, Token: "secret", TLS: client.TLS{CA: authority}},
		"certificate": {URL: secure, TLS: client.TLS{CA: authority, Certificate: read(shown), Key: read(secret)}},
	} {
		c, err := client.New(cfg, client.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		info, err := c.Info(t.Context())
		if err != nil || info.Kind != client.ServerProbe {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		got, err := c.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any", NumResults: 3, Merge: true, Series: false, Other: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(result(3).Rows, got.Rows, cmp.Comparer(func(a, b wire.Attributes) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if catalog, err := c.Catalog(t.Context()); err != nil || catalog.Host != "fra1" {
			t.Errorf("%s: %+v, %v", name, catalog, err)
		}
		err = c.Validate(t.Context(), &wire.Request{Query: "sip", Ifaces: "any", Condition: "dport = foo"})
		var e *client.Error
		if !errors.As(err, &e) || e.Kind != client.KindUser || e.Problem == nil || e.Problem.Errors[0].Position.Offset != 8 {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := client.New(client.Config{URL: secure, Token: "wrong", TLS: client.TLS{CA: authority}}, client.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var e *client.Error
	if _, err := c.Info(t.Context()); !errors.As(err, &e) || e.Kind != client.KindAuth || e.Hint == "" {
		t.Errorf("wrong token: %v", err)
	}
}

func TestConfigYAML(t *testing.T) {
	const text = `
listen:
  - unix: /run/weir/probe.sock
    group: weir
  - tcp: :8145
    tls: {certificate: /c.pem, key: /k.pem, client_ca: /ca.pem, client_role: packets}
  - tcp: 127.0.0.1:8146
    insecure: {allow: [192.0.2.0/24, "2001:db8::/32"], role: query}
tokens:
  - {name: grafana, role: query, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
limits: {concurrent: 4, timeout: 30s, rate: 2.5, burst: 5}
`
	cfg := DefaultConfig()
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if cfg.Limits.Timeout != 30*time.Second || cfg.Limits.Rows != 1_000_000 || cfg.Listen[1].TLS.ClientRole != RolePackets ||
		cfg.Listen[2].Insecure.Allow[1].String() != "2001:db8::/32" || cfg.Tokens[0].Name != "grafana" {
		t.Errorf("%+v", cfg)
	}
	back, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var again Config
	if err := yaml.UnmarshalWithOptions(back, &again, yaml.Strict()); err != nil {
		t.Fatalf("%v: %s", err, back)
	}
	if diff := cmp.Diff(cfg, again, cmp.Comparer(func(a, b Insecure) bool { return a.Role == b.Role && len(a.Allow) == len(b.Allow) })); diff != "" {
		t.Error(diff)
	}
}
