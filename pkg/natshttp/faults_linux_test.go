package natshttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weirflow/weir/pkg/client"
)

// waiting is a handler that begins an answer, says so, and ends it when it may.
func waiting(began chan<- struct{}, release <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wait" {
			fmt.Fprint(w, "hello")
			return
		}
		w.Write(pattern(100))
		http.NewResponseController(w).Flush()
		began <- struct{}{}
		select {
		case <-release:
			w.Write(pattern(100))
		case <-r.Context().Done():
		}
	})
}

// kill -9 of the server while an answer is on the way: a clear error at once, and everything works again when the server
// is back.
func TestServerRestartDuringAQuery(t *testing.T) {
	s := startServer(t, "")
	began, ended := make(chan struct{}, 1), make(chan struct{})
	host, asker := link(t, s), link(t, s)
	work := waiting(began, nil)
	respond(t, host, "web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		work.ServeHTTP(w, r)
		if r.URL.Path == "/wait" {
			close(ended)
		}
	}))
	d, _ := discover(t, asker, DiscoveryConfig{})
	discovered(t, d, "web")
	c, rt := ask(t, asker)
	failed := make(chan error, 1)
	go func() {
		_, err := fetch(c, "nats://web/wait")
		failed <- err
	}()
	<-began
	at := time.Now()
	s.kill()
	e := reason(t, <-failed)
	if e.Kind != client.KindUnreachable || !strings.Contains(e.Text, "connection to the NATS server was lost") || !errors.Is(e, syscall.ECONNRESET) {
		t.Errorf("%+v", e)
	}
	if took := time.Since(at); took > 15*time.Second { // its silence is 20 s
		t.Errorf("it took %v to find out", took)
	}
	<-ended // nobody would get what the host still finds out
	eventually(t, "further questions fail at once", func() bool {
		begin := time.Now()
		_, err := c.Get("nats://web/")
		return reason(t, err).Kind == client.KindUnreachable && strings.Contains(err.Error(), "no connection to a NATS server") && time.Since(begin) < 100*time.Millisecond
	})
	if _, err := d.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "no connection to a NATS server since") {
		t.Errorf("discovery: %v", err)
	}
	s.start()
	eventually(t, "both are back", func() bool { return host.Status().Connected && asker.Status().Connected })
	eventually(t, "the host answers again", func() bool {
		text, err := fetch(c, "nats://web/")
		return err == nil && text == "hello"
	})
	if got := names(load(t, d)); got != "web" {
		t.Errorf("discovered after the restart: %s", got)
	}
	if n := host.Status().Reconnects; n != 1 {
		t.Errorf("%d reconnects", n)
	}
	idle(t, rt)
}

// A server that stops without closing anything: the asker gives the host up after its silence, and all goes on when the
// server does.
func TestPartition(t *testing.T) {
	s := startServer(t, "")
	began, release := make(chan struct{}, 1), make(chan struct{})
	respond(t, link(t, s), "web", waiting(began, release), func(cfg *ResponderConfig) { cfg.Alive = 50 * time.Millisecond })
	asker := link(t, s)
	c, rt := ask(t, asker, func(cfg *AskerConfig) { cfg.Silence = 500 * time.Millisecond })
	patient, _ := ask(t, asker)
	failed := make(chan error, 1)
	go func() {
		_, err := fetch(c, "nats://web/wait")
		failed <- err
	}()
	<-began
	s.signal(syscall.SIGSTOP)
	e := reason(t, <-failed)
	if e.Kind != client.KindTimeout || !strings.Contains(e.Text, "said nothing for 500ms") {
		t.Errorf("%+v", e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "nats://web/", nil)
	if _, err := patient.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline of its own: %v", err)
	}
	s.signal(syscall.SIGCONT)
	eventually(t, "the host answers again", func() bool {
		text, err := fetch(c, "nats://web/")
		return err == nil && text == "hello"
	})
	idle(t, rt)
}

// A partition that lasts until the connection counts as lost is one from which both ends come back.
func TestLongPartition(t *testing.T) {
	s := startServer(t, "")
	quick := func(cfg *Config) { cfg.Ping = 100 * time.Millisecond }
	host, asker := link(t, s, quick), link(t, s, quick)
	respond(t, host, "web", hello())
	c, _ := ask(t, asker)
	s.signal(syscall.SIGSTOP)
	eventually(t, "both know of it", func() bool { return !host.Status().Connected && !asker.Status().Connected })
	s.signal(syscall.SIGCONT)
	eventually(t, "both are back", func() bool { return host.Status().Connected && asker.Status().Connected })
	eventually(t, "the host answers again", func() bool {
		text, err := fetch(c, "nats://web/")
		return err == nil && text == "hello"
	})
}

// An asker whose network takes nothing is cut off by the server. Its answers are errors then, not short; nobody else
// notices; and it comes back.
func TestSlowConsumer(t *testing.T) {
	s := startServer(t, "max_pending: 1MB\nwrite_deadline: \"200ms\"")
	host := link(t, s)
	respond(t, host, "web", http.HandlerFunc(echo), func(cfg *ResponderConfig) { cfg.Requests = 1000 })
	p := forward(t, s.address())
	deaf := link(t, s, func(cfg *Config) { cfg.Servers = []string{p.address} })
	c, rt := ask(t, deaf)
	if text, err := fetch(c, "nats://web/?size=500000"); err != nil || text != string(pattern(500000)) {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	p.stop()
	type outcome struct {
		text string
		err  error
	}
	outcomes := make(chan outcome, 400)
	for range cap(outcomes) {
		go func() {
			text, err := fetch(c, "nats://web/?size=70000")
			outcomes <- outcome{text, err}
		}()
	}
	eventually(t, "the server cuts it off", func() bool { return strings.Contains(read(t, s.log), "Slow Consumer") })
	other, _ := ask(t, link(t, s))
	for range 5 {
		if text, err := fetch(other, "nats://web/?size=500000"); err != nil || text != string(pattern(500000)) {
			t.Errorf("another asker: %d bytes, %v", len(text), err)
		}
	}
	p.resume()
	failures := 0
	for range cap(outcomes) {
		switch o := <-outcomes; {
		case o.err != nil:
			reason(t, o.err)
			failures++
		case o.text != string(pattern(70000)):
			t.Errorf("an answer of %d bytes without an error", len(o.text))
		}
	}
	if failures == 0 {
		t.Error("nothing was lost: the test shows nothing")
	}
	if st := host.Status(); !st.Connected || st.Reconnects > 0 {
		t.Errorf("the host was cut off: %+v", st)
	}
	eventually(t, "it is back", func() bool {
		text, err := fetch(c, "nats://web/?size=10")
		return err == nil && text == string(pattern(10))
	})
	idle(t, rt)
}

// forwarder passes connections on, and stops what comes back while it is told to.
type forwarder struct {
	address string
	gate    sync.RWMutex
}

func (f *forwarder) stop()   { f.gate.Lock() }
func (f *forwarder) resume() { f.gate.Unlock() }

func forward(t *testing.T, to string) *forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f := &forwarder{address: l.Addr().String()}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go func() {
				io.Copy(far, near)
				far.Close()
			}()
			go func() {
				defer near.Close()
				buffer := make([]byte, 32<<10)
				for {
					n, err := far.Read(buffer)
					f.gate.RLock() // waits while it is stopped
					_, failed := near.Write(buffer[:n])
					f.gate.RUnlock()
					if err != nil || failed != nil {
						return
					}
				}
			}()
		}
	}()
	return f
}

const tenants = `
no_auth_user: nobody
accounts {
  A { users: [{user: nobody, password: x}] }
  ACME { users: [{nkey: %s, permissions: {
    subscribe: ["weir.v1.fra.web.query", "weir.v1.fra.web.control.*", "weir.v1.discover"]
    publish: ["weir.v1.fra.web.here"]
    allow_responses: {max: 100000, expires: "1h"}
  }}, {nkey: %s}] }
  OTHER { users: [{nkey: %s}, {nkey: %s}] }
}
`

// seed makes an nkey of a user.
func seed(t *testing.T) (seed, public string) {
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

// Two tenants have accounts of their own, with a host of the same name each: neither sees the other's. The host may do no
// more than it needs, which is enough.
func TestTenants(t *testing.T) {
	var seeds, publics [4]string
	for i := range seeds {
		seeds[i], publics[i] = seed(t)
	}
	s := startServer(t, fmt.Sprintf(tenants, publics[0], publics[1], publics[2], publics[3]))
	as := func(i int) func(*Config) { return func(cfg *Config) { cfg.NKeySeed = seeds[i] } }
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, text)
			w.Write(pattern(3 << 20))
		})
	}
	site := func(cfg *ResponderConfig) { cfg.Site = "fra" }
	acme := link(t, s, as(0))
	respond(t, acme, "web", says("acme"), site)
	respond(t, link(t, s, as(2)), "web", says("other"), site)
	respond(t, link(t, s, as(2)), "db", says("other"), site)
	for i, want := range map[int]string{1: "web", 3: "db web"} {
		l := link(t, s, as(i))
		d, _ := discover(t, l, DiscoveryConfig{})
		discovered(t, d, want) // and nobody else
		c, _ := ask(t, l)
		whose := map[int]string{1: "acme", 3: "other"}[i]
		response, err := c.Post("nats://web.fra/", "", strings.NewReader(string(pattern(2<<20))))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(text) != whose+string(pattern(3<<20)) {
			t.Errorf("tenant %d: %d bytes, %v", i, len(text), err)
		}
		if i == 1 {
			_, err := c.Get("nats://db.fra/")
			if e := reason(t, err); e.Kind != client.KindRefused {
				t.Errorf("the other tenant's host: %v", err)
			}
		}
	}
	if st := acme.Status(); !st.Connected || st.Error != "" {
		t.Errorf("the host with the least permissions: %+v", st)
	}
	intruder, err := Connect(Config{Servers: []string{s.address()}, NKeySeed: func() string { text, _ := seed(t); return text }(), FirstRetry: time.Millisecond}, LinkDeps{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer intruder.Close()
	eventually(t, "the refusal is told", func() bool { return strings.Contains(intruder.Status().Error, "uthorization") })
	if intruder.Status().Connected {
		t.Error("an unknown key is let in")
	}
}

func TestTokensAndCleartext(t *testing.T) {
	s := startServer(t, "authorization { token: t0ken }")
	l := link(t, s, func(cfg *Config) { cfg.Token = "t0ken\n" })
	respond(t, l, "web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Authorization")) }))
	c, rt := ask(t, l)
	send := func() (*http.Response, error) {
		r, _ := http.NewRequest("GET", "nats://web/", nil)
		r.Header.Set("Authorization", "Bearer secret")
		return c.Do(r)
	}
	response, err := send()
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	l.mu.Lock()
	l.private = false // as if the server were elsewhere
	l.mu.Unlock()
	_, err = send()
	if e := reason(t, err); e.Kind != client.KindTLS || !strings.Contains(e.Text, "unencrypted") {
		t.Errorf("%+v", e)
	}
	idle(t, rt)
}

func TestConfigurations(t *testing.T) {
	text, _ := seed(t)
	for want, cfg := range map[string]Config{
		"0 servers":                {},
		"unknown scheme":           {Servers: []string{"http://a"}},
		"secrets do not belong":    {Servers: []string{"nats://user:pass@a"}},
		"address is wrong":         {Servers: []string{"nats://"}},
		"exclude each other":       {Servers: []string{"a"}, Token: "x", NKeySeed: text},
		"read the nkey's seed":     {Servers: []string{"a"}, NKeySeed: "x"},
		"read the credentials":     {Servers: []string{"a"}, Credentials: "x"},
		"no certificate in PEM":    {Servers: []string{"a"}, CA: "x"},
		"read the client certifi":  {Servers: []string{"a"}, Certificate: "x", Key: "y"},
		"65 servers: expected 1 t": {Servers: make([]string, 65)},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass") {
			t.Errorf("%v; want %s", err, want)
		}
	}
	for servers, want := range map[string]bool{"127.0.0.1": false, "localhost:4222": false, "[::1]:1": false, "tls://127.0.0.1": true, "nats.example.com": true, "127.0.0.1,nats.example.com": true} {
		if got := (Config{Servers: strings.Split(servers, ",")}).secure(); got != want {
			t.Errorf("%s: encrypted: %v", servers, got)
		}
	}
	if (Config{Servers: []string{"nats.example.com"}, Cleartext: true}).secure() {
		t.Error("cleartext is not honoured")
	}
}
