package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/store"
)

// yesterdaysStore has one interval that ended at the last midnight.
func yesterdaysStore(t *testing.T, midnight int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	s, err := store.Open(store.Config{Path: path}, store.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Append(t.Context(), "eth0", interval(midnight, 5*time.Minute, 1), rows()); err != nil {
		t.Fatal(err)
	}
	return path
}

// natsProbe answers over NATS as a probe does, with a real store, until the test ends.
func natsProbe(t *testing.T, servers, seed, name, path string, log *testenv.Journal) {
	t.Helper()
	cfg := agent.DefaultConfig()
	cfg.Host.Name, cfg.Store.Path = name, path
	logger := slog.New(slog.NewTextHandler(log, nil))
	a, err := agent.New(cfg, agent.Deps{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	api := serve.DefaultConfig()
	api.Tokens = []serve.Token{{Name: "gateway", Role: serve.RoleQuery, SHA256: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}}
	server, err := serve.New(api, serve.Deps{Querier: a, Logger: logger, Info: serve.Info{Name: "weir-probe"}})
	if err != nil {
		t.Fatal(err)
	}
	link, err := natshttp.Connect(natshttp.Config{Servers: []string{servers}, NKeySeed: seed, FirstRetry: 20 * time.Millisecond, LastRetry: 100 * time.Millisecond}, natshttp.LinkDeps{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	responder, err := natshttp.NewResponder(natshttp.ResponderConfig{Address: natshttp.Address{Site: "fra", Host: name}, Here: natshttp.Announcement{ID: a.Resource().HostID}},
		natshttp.ResponderDeps{Link: link, Handler: server.Remote(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- responder.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// nkey makes one of a user.
func nkey(t *testing.T) (seed, public string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return string(text), public
}

// The gateway runs a NATS server, with an account for each tenant; hosts connect to it, are discovered, asked, and what
// they said of yesterday is kept.
func TestGatewayWithEmbeddedNATS(t *testing.T) {
	dir := t.TempDir()
	listen := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	seedWeb, publicWeb := nkey(t)
	seedOther, publicOther := nkey(t)
	config := filepath.Join(dir, "gateway.yaml")
	token := filepath.Join(dir, "token")
	socket := filepath.Join(dir, "gateway.sock")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, `
api: {listen: [{unix: %s}]}
inventory: {nats: [{labels: {company: acme}}]}
auth: [{name: fleet, for: ["*.fra"], token_file: %s}]
nats_server:
  listen: %s
  accounts:
    - {name: acme, hosts: [{nkey: %s, site: fra, host: web.example}]}
    - {name: other, hosts: [{nkey: %s}]}
`, socket, token, listen, publicWeb, publicOther), 0o600); err != nil {
		t.Fatal(err)
	}
	log, probes := new(testenv.Journal), new(testenv.Journal)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	verb := &gatewayVerb{app: &app{stdout: log, stderr: log, now: time.Now}, path: config, embedded: true}
	go func() { ended <- verb.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("gateway: %v", err)
		}
		if t.Failed() {
			t.Logf("gateway:\n%s\nprobes:\n%s", log, probes)
		}
	}()
	midnight := time.Now().Add(-15 * time.Minute).UTC().Truncate(24 * time.Hour).Unix()
	natsProbe(t, listen, seedWeb, "web.example", yesterdaysStore(t, midnight), probes)
	natsProbe(t, listen, seedOther, "db", yesterdaysStore(t, midnight), probes)
	settings := client.DefaultConfig()
	settings.URL = "unix:" + socket
	c, err := client.New(settings, client.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (*wire.Result, error) {
		return c.Query(t.Context(), &wire.Request{Query: "sip,dip", Ifaces: "any", Merge: true, QueryHosts: "company=acme",
			First: strconv.FormatInt(midnight-86399, 10), Last: strconv.FormatInt(midnight, 10)})
	}
	var result *wire.Result
	for range 3000 { // a minute at least
		if result, err = ask(); err == nil && len(result.Rows) == 3 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil || len(result.Rows) != 3 || len(result.HostsStatuses) != 1 || result.HostsStatuses["web.example"].Code != wire.CodeOK {
		t.Fatalf("%+v, %v", result, err)
	}
	asked := strings.Count(probes.String(), "msg=query")
	again, err := ask()
	if err != nil || len(again.Rows) != 3 || !again.HostsStatuses["web.example"].Cached || again.Summary.Totals != result.Summary.Totals {
		t.Errorf("again: %+v, %v", again, err)
	}
	if n := strings.Count(probes.String(), "msg=query"); n != asked || n == 0 {
		t.Errorf("the host was asked %d times, and %d before the answer was kept", n, asked)
	}
	if !strings.Contains(probes.String(), "caller=token:gateway remote=nats:") {
		t.Error("the host's audit does not say who asked")
	}
}

func TestNATSConfigurations(t *testing.T) {
	for text, want := range map[string]string{
		`nats_server: {listen: ":4222"}`:                                              "without tls would send tokens",
		`nats_server: {listen: ":4222", tls: {certificate: a, key: b}}`:               "would let everybody in",
		`nats_server: {listen: "4222"}`:                                               "expected an address with a port",
		`nats_server: {listen: "127.0.0.1:4222", accounts: [{name: a, askers: [x]}]}`: "is no public nkey",
		`nats_server: {listen: "127.0.0.1:4222", accounts: [{name: "a b"}]}`:          "is no name",
		`{nats_server: {listen: "127.0.0.1:4222"}, nats: {servers: ["tls://a"]}}`:     "exclude each other",
		`nats: {token_file: x}`:                                                       "without servers",
		`nats: {servers: ["tls://a"], token_file: x, nkey_file: y}`:                   "exclude each other",
		`cache: {bytes: -1}`:                                                          "must not be negative",
		`inventory: {nats: [{site: a}, {site: a}]}`:                                   "inventory.nats[1]",
		`{api: {listen: [{unix: /tmp/x.sock}]}, inventory: {nats: [{}]}}`:             "needs nats.servers",
	} {
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := (&gatewayVerb{app: &app{stdout: new(testenv.Journal), stderr: new(testenv.Journal), now: time.Now}, path: path}).run(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
