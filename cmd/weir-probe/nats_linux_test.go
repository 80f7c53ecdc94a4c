package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/config"
)

// A probe that nobody can dial announces itself and answers over NATS, to whoever has a token of its own; at its end it
// takes leave.
func TestProbeOverNATS(t *testing.T) {
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, Authorization: "nats-token"})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not start")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("nats-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse([]byte(`
host: {name: web.example, id: "7", labels: {company: acme}}
store: {path: ` + filepath.Join(dir, "store") + `}
api:
  listen: [{unix: ` + filepath.Join(dir, "probe.sock") + `}]
  tokens: [{name: fleet, role: query, sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b}]
nats: {servers: ["` + s.Addr().String() + `"], site: fra, token_file: ` + filepath.Join(dir, "token") + `}`))
	if err != nil {
		t.Fatal(err)
	}
	log := new(testenv.Journal)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg, func() (agent.Capture, error) { return agent.Capture{}, nil }, log) }()
	defer cancel()

	link, err := natshttp.Connect(natshttp.Config{Servers: []string{s.Addr().String()}, Token: "nats-token"}, natshttp.LinkDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	discovery := natshttp.NewDiscovery(natshttp.DiscoveryConfig{}, link, nil)
	listening, stop := context.WithCancel(context.Background())
	defer stop()
	go discovery.Run(listening)
	<-discovery.Changed()
	list, err := discovery.Load(t.Context())
	if err != nil || len(list.Entries) != 1 {
		t.Fatalf("%+v, %v\n%s", list, err, log)
	}
	entry := list.Entries[0]
	if entry.Name != "web.example" || entry.ID != "7" || entry.Labels["company"] != "acme" || entry.Labels["site"] != "fra" {
		t.Errorf("%+v", entry)
	}
	tripper, err := natshttp.NewRoundTripper(natshttp.AskerConfig{}, link)
	if err != nil {
		t.Fatal(err)
	}
	defer tripper.Close()
	dial := func(token string) *client.Client {
		settings := client.DefaultConfig()
		settings.URL, settings.Token, settings.Transport = entry.URL, token, tripper
		c, err := client.New(settings, client.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	status, err := dial("secret").Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var said agent.Status
	if err := json.Unmarshal(status, &said); err != nil || said.NATS == nil || !said.NATS.Connected || said.Host != "web.example" {
		t.Errorf("%s, %v", status, err)
	}
	if _, err := dial("other").Status(t.Context()); err == nil || !strings.Contains(err.Error(), "token is not known") {
		t.Errorf("another token: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	<-discovery.Changed()
	if list, err := discovery.Load(t.Context()); err != nil || len(list.Entries) != 0 {
		t.Errorf("after its end: %+v, %v", list, err)
	}
}
