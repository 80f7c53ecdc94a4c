package natshttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// rows is a Querier that answers with so many of them; at 1000 and above it shows its progress first and waits a little.
type rows int

func (n rows) Query(_ context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	r := &wire.Result{
		Hostname: "web", Status: wire.Status{Code: wire.CodeOK, State: wire.StateOK},
		HostsStatuses: map[string]wire.Status{"web": {Code: wire.CodeOK}}, Query: q.Echo(),
		Summary: wire.Summary{Hits: wire.Hits{Displayed: int64(n), Total: int64(n)}, Interfaces: []string{"eth0"}, DataAvailable: true},
	}
	for i := range int(n) {
		x := uint32(i) * 2654435761
		r.Rows = append(r.Rows, wire.Row{
			Labels: wire.Labels{Iface: "eth0"},
			Attributes: wire.Attributes{
				Source:      netip.AddrFrom4([4]byte{10, byte(x), byte(x >> 8), byte(x >> 16)}),
				Destination: netip.AddrFrom4([4]byte{192, 0, byte(x >> 24), byte(x >> 4)}), DestinationPort: uint16(x), Protocol: flow.Protocol(6),
			},
			Counters: wire.Counters{BytesReceived: uint64(x), PacketsReceived: uint64(x >> 8)},
		})
		if progress != nil && i%100 == 99 {
			progress(r)
		}
	}
	return r, nil
}

func (rows) Catalog(context.Context) (*wire.Catalog, error) {
	return &wire.Catalog{Kind: "probe", Host: "web", Fields: wire.CatalogFields()}, nil
}

// api is the server of the contract that knows the token "secret", and its log.
func api(t testing.TB, q serve.Querier) (*serve.Server, *testenv.Journal) {
	t.Helper()
	log := new(testenv.Journal)
	cfg := serve.DefaultConfig()
	cfg.Tokens = []serve.Token{{Name: "grafana", Role: serve.RoleQuery, SHA256: hashed("secret")}}
	cfg.Limits.Queue, cfg.Limits.Timeout = 10*time.Minute, 10*time.Minute // however slow the machine is
	s, err := serve.New(cfg, serve.Deps{Querier: q, Logger: slog.New(slog.NewTextHandler(log, nil)), Info: serve.Info{Name: "weir-probe", Version: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

func dial(t testing.TB, rt *RoundTripper, host, token string) *client.Client {
	t.Helper()
	cfg := client.DefaultConfig()
	cfg.URL, cfg.Token, cfg.Transport = Address{Host: host}.URL(), token, rt
	cfg.Timeout = 10 * time.Minute // fifty partial results are long under the race detector
	c, err := client.New(cfg, client.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var question = &wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any", NumResults: 10_000, KeepAlive: time.Second}

// The client, the server of the contract, its roles, limits and audit are those of HTTP.
func TestTheContractOverNATS(t *testing.T) {
	s := startServer(t, "")
	server, log := api(t, rows(5000))
	respond(t, link(t, s), "web", server.Remote())
	_, rt := ask(t, link(t, s))
	c := dial(t, rt, "web", "secret")
	result, err := c.Query(t.Context(), question)
	if err != nil || len(result.Rows) != 5000 {
		t.Fatalf("%v", err)
	}
	partials := 0
	result, err = c.Stream(t.Context(), question, func(*wire.Result) { partials++ })
	if err != nil || len(result.Rows) != 5000 || partials < 10 {
		t.Errorf("%d partial results, %v", partials, err)
	}
	if catalog, err := c.Catalog(t.Context()); err != nil || catalog.Host != "web" {
		t.Errorf("%v", err)
	}
	for token, want := range map[string]string{"": "authentication is needed", "wrong": "the token is not known here"} {
		_, err := dial(t, rt, "web", token).Query(t.Context(), question)
		var e *client.Error
		if !errors.As(err, &e) || e.Kind != client.KindAuth || !strings.Contains(e.Text, want) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	_, err = c.Query(t.Context(), &wire.Request{Query: "spi", Ifaces: "any"})
	var e *client.Error
	if !errors.As(err, &e) || e.Kind != client.KindUser || !strings.Contains(e.Text, "sip") {
		t.Errorf("a wrong question: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "msg=query caller=token:grafana remote=nats:") || !strings.Contains(text, "msg=refused") {
		t.Errorf("the audit says:\n%s", text)
	}
	idle(t, rt)
}

func TestOneHundredQueriesAtOnce(t *testing.T) {
	s := startServer(t, "")
	server, _ := api(t, rows(500))
	for i := range 10 {
		respond(t, link(t, s), fmt.Sprintf("web%d", i), server.Remote())
	}
	_, rt := ask(t, link(t, s))
	var asking sync.WaitGroup
	for i := range 100 {
		c := dial(t, rt, fmt.Sprintf("web%d", i%10), "secret")
		asking.Go(func() {
			if result, err := c.Query(t.Context(), question); err != nil || len(result.Rows) != 500 {
				t.Errorf("%v", err)
			}
		})
	}
	asking.Wait()
	idle(t, rt)
}
