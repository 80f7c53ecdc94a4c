package natshttp

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// embedded is a server within this process.
func embedded(tb testing.TB) *natsserver.Server {
	tb.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		tb.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		tb.Fatal("the embedded server does not start")
	}
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// BenchmarkTwoThousandAgents asks 2,000 hosts, each with a connection of its own to an embedded server, for about 20 kB of
// rows, through the server of the contract and the client, and waits for all.
func BenchmarkTwoThousandAgents(b *testing.B) {
	const agents = 2000
	s := embedded(b)
	api, err := serve.New(func() serve.Config {
		cfg := serve.DefaultConfig()
		cfg.Limits.Concurrent = 0
		cfg.Tokens = []serve.Token{{Name: "test", Role: serve.RoleQuery, SHA256: hashed("secret")}}
		return cfg
	}(), serve.Deps{Querier: rows(240), Logger: discard(), Info: serve.Info{Name: "weir-probe"}})
	if err != nil {
		b.Fatal(err)
	}
	address := s.Addr().String()
	connect := func() *Link {
		l, err := Connect(Config{Servers: []string{address}}, LinkDeps{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(l.Close)
		return l
	}
	for i := range agents {
		respond(b, connect(), fmt.Sprintf("host%d", i), api.Remote())
	}
	_, rt := ask(b, connect(), func(cfg *AskerConfig) { cfg.Silence = 10 * time.Second })
	clients := make([]*client.Client, agents)
	for i := range clients {
		cfg := client.DefaultConfig()
		cfg.URL, cfg.Transport, cfg.Token = fmt.Sprintf("nats://host%d", i), rt, "secret"
		if clients[i], err = client.New(cfg, client.Deps{}); err != nil {
			b.Fatal(err)
		}
	}
	question := &wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any", NumResults: 1000}
	round := func() {
		slots := make(chan struct{}, 256)
		var asking sync.WaitGroup
		for _, c := range clients {
			slots <- struct{}{}
			asking.Go(func() {
				defer func() { <-slots }()
				result, err := c.Query(b.Context(), question)
				if err != nil || len(result.Rows) != 240 {
					b.Errorf("%v", err)
				}
			})
		}
		asking.Wait()
	}
	round() // the clients know the kinds of their servers then
	size := answerSize(b, rt, question)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for b.Loop() {
		round()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(size), "bytes/answer")
	b.ReportMetric(float64(agents), "agents")
	b.ReportMetric(float64(after.HeapInuse)/(1<<20), "MiB-heap")
}

// answerSize is that of one answer as it is before compression.
func answerSize(b *testing.B, rt *RoundTripper, question *wire.Request) int {
	c := &http.Client{Transport: rt}
	r, _ := http.NewRequest("POST", "nats://host0/_query", strings.NewReader(`{"query":"`+question.Query+`","ifaces":"any","num_results":1000}`))
	r.Header.Set("Authorization", "Bearer secret")
	response, err := c.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		b.Fatal(response.Status, err)
	}
	return len(text)
}
