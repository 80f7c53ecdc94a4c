package natshttp

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/serve"
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

// agents is how many hosts the benchmarks ask, each with a connection of its own to an embedded server.
const agents = 2000

// BenchmarkTwoThousandAgents asks all of them for 20 kB and waits for all. "bytes" is the transport alone; "rows" is the
// server of the contract, which makes JSON of 130 rows, and the client, which reads it. CPU seconds are those of server,
// hosts and asker together.
func BenchmarkTwoThousandAgents(b *testing.B) {
	b.Run("bytes", func(b *testing.B) {
		body := make([]byte, 20_000)
		rand.Read(body)
		rt := fleetOf(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }))
		c := &http.Client{Transport: rt}
		rounds(b, func(i int) error {
			text, err := fetch(c, fmt.Sprintf("nats://host%d/", i))
			if err == nil && len(text) != len(body) {
				err = fmt.Errorf("%d bytes", len(text))
			}
			return err
		})
	})
	b.Run("rows", func(b *testing.B) {
		const n = 130
		cfg := serve.DefaultConfig()
		cfg.Limits.Concurrent = 0
		cfg.Tokens = []serve.Token{{Name: "test", Role: serve.RoleQuery, SHA256: hashed("secret")}}
		api, err := serve.New(cfg, serve.Deps{Querier: rows(n), Logger: discard(), Info: serve.Info{Name: "weir-probe"}})
		if err != nil {
			b.Fatal(err)
		}
		rt := fleetOf(b, api.Remote())
		clients := make([]*client.Client, agents)
		for i := range clients {
			clients[i] = dial(b, rt, fmt.Sprintf("host%d", i), "secret")
		}
		rounds(b, func(i int) error {
			result, err := clients[i].Query(b.Context(), question)
			if err == nil && len(result.Rows) != n {
				err = fmt.Errorf("%d rows", len(result.Rows))
			}
			return err
		})
		b.ReportMetric(float64(answerSize(b, rt, "identity")), "bytes/answer")
		b.ReportMetric(float64(answerSize(b, rt, "gzip")), "bytes-gzip/answer")
	})
}

// fleetOf connects the hosts, and an asker.
func fleetOf(b *testing.B, h http.Handler) *RoundTripper {
	s := embedded(b)
	connect := func() *Link {
		l, err := Connect(Config{Servers: []string{s.Addr().String()}}, LinkDeps{Logger: discard()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(l.Close)
		return l
	}
	for i := range agents {
		respond(b, connect(), fmt.Sprintf("host%d", i), h)
	}
	_, rt := ask(b, connect())
	return rt
}

// rounds asks all hosts, 256 at once, again and again.
func rounds(b *testing.B, one func(i int) error) {
	round := func() {
		slots := make(chan struct{}, 256)
		var asking sync.WaitGroup
		for i := range agents {
			slots <- struct{}{}
			asking.Go(func() {
				defer func() { <-slots }()
				if err := one(i); err != nil {
					b.Error(err)
				}
			})
		}
		asking.Wait()
	}
	round() // the clients know the kinds of their servers then
	before := used()
	for b.Loop() {
		round()
	}
	b.ReportMetric((used()-before).Seconds()/float64(b.N), "cpu-s/op")
}

// used is the processor time of this process.
func used() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail with these arguments
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// answerSize is that of one answer as it travels.
func answerSize(b *testing.B, rt *RoundTripper, encoding string) int {
	c := &http.Client{Transport: rt}
	r, _ := http.NewRequest("POST", "nats://host0/_query", strings.NewReader(`{"query":"sip,dip,dport,proto","ifaces":"any","num_results":1000}`))
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Accept-Encoding", encoding)
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
