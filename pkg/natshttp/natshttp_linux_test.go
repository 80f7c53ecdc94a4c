package natshttp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weirflow/weir/pkg/client"
)

func errorsAs(err error, into any) bool { return errors.As(err, into) }

// echo answers with what it was asked, and much where that is asked for.
func echo(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Path", r.URL.Path)
	w.Header().Set("X-Seen", r.Header.Get("X-Sent"))
	w.Header().Set("X-Remote", r.RemoteAddr)
	if size > 0 {
		w.WriteHeader(http.StatusTeapot)
		w.Write(pattern(size))
		return
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
}

// pattern is a body that shows a page that is missing, doubled or moved.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func get(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestRequestsAndAnswersOfEverySize(t *testing.T) {
	s := startServer(t, "")
	respond(t, link(t, s), "web.example:1", http.HandlerFunc(echo))
	c, rt := ask(t, link(t, s))
	base := Address{Host: "web.example:1"}.URL()
	for _, size := range []int{1, firstUnit - pageCost, firstUnit, maxPage - 1, maxPage, maxPage + 1, 5 << 20} {
		response, text := get(t, c, base+"/a/b?size="+strconv.Itoa(size))
		if response.StatusCode != http.StatusTeapot || text != string(pattern(size)) || response.Header.Get("X-Path") != "/a/b" {
			t.Errorf("answer of %d bytes: status %d, %d bytes", size, response.StatusCode, len(text))
		}
	}
	for _, size := range []int{0, 1, maxPage - 1, maxPage, maxPage + 1, 2 * maxPage, 5<<20 + 1} {
		sent := make([]byte, size)
		rand.Read(sent)
		r, _ := http.NewRequest("PUT", base+"/", bytes.NewReader(sent))
		r.Header.Set("X-Sent", "yes")
		response, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if want := fmt.Sprintf("%d %x <nil>", size, sha256.Sum256(sent)); err != nil || string(text) != want || response.Header.Get("X-Seen") != "yes" || response.Header.Get("X-Method") != "PUT" {
			t.Errorf("request of %d bytes: %q, %v; want %q", size, text, err, want)
		}
		if remote := response.Header.Get("X-Remote"); !strings.HasPrefix(remote, "nats:") {
			t.Errorf("the remote address is %q", remote)
		}
	}
	head, err := c.Head(base + "/?size=100")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(head.Body); err != nil || len(text) > 0 || head.StatusCode != http.StatusTeapot || head.Header.Get("X-Method") != "HEAD" {
		t.Errorf("HEAD: %d, %q, %v", head.StatusCode, text, err)
	}
	head.Body.Close()
	if _, err := c.Post(base+"/", "", bytes.NewReader(make([]byte, 17<<20))); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a request of 17 MiB: %v", err)
	}
	idle(t, rt)
}

// idle says that nothing is left of the requests.
func idle(t testing.TB, rt *RoundTripper) {
	t.Helper()
	eventually(t, "no exchange and no budget is left", func() bool {
		rt.mu.Lock()
		defer rt.mu.Unlock()
		return len(rt.exchanges) == 0 && len(rt.budget.units) == 0
	})
}

func TestNobodyThere(t *testing.T) {
	s := startServer(t, "")
	c, rt := ask(t, link(t, s))
	_, err := c.Get("nats://nobody/_query")
	if e := reason(t, err); e.Kind != client.KindRefused || !strings.Contains(e.Text, "weir.v1.default.nobody.query") || e.Hint == "" {
		t.Errorf("%+v", e)
	}
	for _, bad := range []string{"nats://=ZZ/", "nats://a.b.c/", "nats://=61/", "nats://u:p@web/", "nats://" + strings.Repeat("a", 300) + "/"} {
		if _, err := c.Get(bad); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	idle(t, rt)
}

func TestEndOfAskerEndsTheWork(t *testing.T) {
	s := startServer(t, "")
	began, ended := make(chan struct{}), make(chan struct{}, 1)
	respond(t, link(t, s), "web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			w.Write(pattern(10))
			http.NewResponseController(w).Flush()
		}
		close(began)
		<-r.Context().Done()
		ended <- struct{}{}
	}), func(cfg *ResponderConfig) { cfg.Alive = time.Hour }) // no sign of life finds out that the asker is gone: it says so
	c, rt := ask(t, link(t, s))
	for _, path := range []string{"/", "/begun"} {
		began = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", "nats://web"+path, nil)
		failed := make(chan error, 1)
		go func() {
			response, err := c.Do(r)
			if err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			failed <- err
		}()
		<-began
		cancel()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatalf("%s: the host works on for nobody", path)
		}
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", path, err)
		}
	}
	idle(t, rt)
}

// An asker that is gone without a word: the server says so to the host's next sign of life.
func TestAskerThatVanishes(t *testing.T) {
	s := startServer(t, "")
	ended := make(chan struct{})
	began := make(chan struct{})
	respond(t, link(t, s), "web", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}), func(cfg *ResponderConfig) { cfg.Alive = 20 * time.Millisecond })
	asker := link(t, s)
	m := nats.NewMsg("weir.v1.default.web.query")
	m.Reply = "_INBOX.nobody.there"
	m.Header.Set(headerMethod, "GET")
	m.Header.Set(headerURI, "/")
	m.Header.Set(headerRequest, "x")
	if err := asker.conn.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	<-began
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the host works on for nobody")
	}
}

func TestAnswersGoToInboxesOnly(t *testing.T) {
	s := startServer(t, "")
	var asked atomic.Int64
	respond(t, link(t, s), "web", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	l := link(t, s)
	seen, err := l.conn.SubscribeSync("weir.v1.default.other.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"weir.v1.default.other.query", "", "$SYS.x", "_INBOX.>"} {
		m := nats.NewMsg("weir.v1.default.web.query")
		m.Reply = reply
		m.Header.Set(headerMethod, "GET")
		m.Header.Set(headerURI, "/")
		m.Header.Set(headerRequest, "x"+strconv.Itoa(len(reply)))
		m.Header.Set(headerCredit, "1000000")
		_ = l.conn.PublishMsg(m) // the library refuses some by itself
	}
	c, _ := ask(t, l)
	get(t, c, "nats://web/") // comes after those
	if n := asked.Load(); n != 1 {
		t.Errorf("the handler was asked %d times", n)
	}
	if m, err := seen.NextMsg(10 * time.Millisecond); err == nil {
		t.Errorf("published on %s: %v", m.Subject, m.Header)
	}
}

// raw is a host of the test's own making.
func raw(t *testing.T, l *Link, host string, answer func(m *nats.Msg)) {
	t.Helper()
	if _, err := l.conn.Subscribe(Address{Host: host}.subject("query"), answer); err != nil {
		t.Fatal(err)
	}
	if err := l.conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

func pageOf(m *nats.Msg, sequence int, data, end string) *nats.Msg {
	p := nats.NewMsg(m.Reply)
	p.Header.Set(headerInstance, "i")
	p.Header.Set(headerSequence, strconv.Itoa(sequence))
	if sequence == 0 {
		p.Header.Set(headerStatus, "200")
	}
	if end != "" {
		p.Header.Set(headerEnd, end)
	}
	p.Data = []byte(data)
	return p
}

func TestPagesLostDoubledLateAndForeign(t *testing.T) {
	s := startServer(t, "")
	host, other := link(t, s), link(t, s)
	send := func(pages ...*nats.Msg) {
		for _, p := range pages {
			if err := host.conn.PublishMsg(p); err != nil {
				t.Error(err)
			}
		}
	}
	hosts := map[string]func(m *nats.Msg){
		"doubled": func(m *nats.Msg) {
			send(pageOf(m, 0, "a", ""), pageOf(m, 0, "a", ""), pageOf(m, 1, "b", ""), pageOf(m, 0, "a", ""), pageOf(m, 2, "c", endDone), pageOf(m, 3, "d", endDone))
		},
		"lost":  func(m *nats.Msg) { send(pageOf(m, 0, "a", ""), pageOf(m, 2, "c", endDone)) },
		"first": func(m *nats.Msg) { send(pageOf(m, 1, "b", endDone)) },
		"last":  func(m *nats.Msg) { send(pageOf(m, 0, "a", "")) },
		"cut":   func(m *nats.Msg) { send(pageOf(m, 0, "a", ""), pageOf(m, 1, "", "the handler broke off")) },
		"much": func(m *nats.Msg) {
			send(pageOf(m, 0, strings.Repeat("a", firstUnit), ""), pageOf(m, 1, strings.Repeat("a", maxPage), ""), pageOf(m, 2, strings.Repeat("a", maxPage), ""))
		},
		"numbers": func(m *nats.Msg) { send(pageOf(m, 0, "a", ""), pageOf(m, -1, "b", "")) },
		"foreign": func(m *nats.Msg) {
			foreign := pageOf(m, 1, "X", endDone)
			foreign.Header.Set(headerInstance, "j")
			send(pageOf(m, 0, "a", ""), foreign, pageOf(m, 1, "b", endDone))
		},
		"status": func(m *nats.Msg) {
			p := pageOf(m, 0, "a", endDone)
			p.Header.Set(headerStatus, "12")
			send(p)
		},
		"length": func(m *nats.Msg) {
			p := pageOf(m, 0, "a", endDone)
			p.Header.Set("Content-Length", "2")
			send(p)
		},
		"head": func(m *nats.Msg) {
			p := pageOf(m, 0, "a", endDone)
			p.Header.Set("X-Long", strings.Repeat("x", maxHead))
			send(p)
		},
	}
	for name, answer := range hosts {
		raw(t, host, name, answer)
	}
	c, rt := ask(t, other)
	// One that waits for a page that does not come gives up soon; the others have the time that the machine needs.
	hasty, hrt := ask(t, other, func(cfg *AskerConfig) { cfg.Silence = 300 * time.Millisecond })
	for name, want := range map[string]string{
		"doubled": "abc", "lost": "page 1 of the answer was lost", "first": "page 0 of the answer was lost", "last": "said nothing for 300ms",
		"cut": "the handler broke off", "much": "more than it was allowed to", "numbers": `numbers a page "-1"`, "foreign": "ab",
		"status": "no status", "length": "1 of the 2 bytes", "head": "more than 65536 bytes",
	} {
		asker := c
		if name == "last" {
			asker = hasty
		}
		text, err := fetch(asker, "nats://"+name+"/")
		if err != nil {
			text = reason(t, err).Error()
		}
		if text != want && (err == nil || !strings.Contains(text, want)) {
			t.Errorf("%s: %q; want %q", name, text, want)
		}
	}
	idle(t, rt)
	idle(t, hrt)
}

func fetch(c *http.Client, url string) (string, error) {
	response, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// A request that arrives twice is answered once; a second host of the same name is told to stop.
func TestDuplicateDelivery(t *testing.T) {
	s := startServer(t, "")
	var asked, ended atomic.Int64
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Write(pattern(1000))
		http.NewResponseController(w).Flush()
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			ended.Add(1)
		}
	})
	respond(t, link(t, s), "web", slow)
	relay := link(t, s) // doubles every request of web to web2's subject
	respond(t, link(t, s), "web2", slow)
	if _, err := relay.conn.Subscribe("weir.v1.default.web2.query", func(m *nats.Msg) {
		if m.Header.Get("X-Copied") == "" {
			again := *m
			again.Header.Set("X-Copied", "1")
			_ = relay.conn.PublishMsg(&again)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := relay.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	c, rt := ask(t, link(t, s))
	if _, text := get(t, c, "nats://web2/"); text != string(pattern(1000)) {
		t.Errorf("the answer has %d bytes", len(text))
	}
	if err := relay.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	get(t, c, "nats://web2/")
	if n := asked.Load(); n != 2 {
		t.Errorf("the handler was asked %d times for 2 requests", n)
	}
	respond(t, link(t, s), "web", slow)
	response, err := c.Get("nats://web/wait")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "one of two hosts has stopped", func() bool { return ended.Load() == 1 })
	response.Body.Close()
	eventually(t, "both have stopped", func() bool { return ended.Load() == 2 })
	idle(t, rt)
}

// A slow reader stops the host, not the server's patience with our connection: all others go on.
func TestSlowReaderOfManyAnswers(t *testing.T) {
	s := startServer(t, "max_pending: 8MB\nwrite_deadline: \"20s\"")
	host := link(t, s)
	var sent atomic.Int64
	respond(t, host, "web", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 20 {
			n, err := w.Write(pattern(1 << 20))
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	asker := link(t, s)
	c, rt := ask(t, asker, func(cfg *AskerConfig) { cfg.Budget = 4 << 20 })
	var open []*http.Response
	for range 8 {
		response, err := c.Get("nats://web/")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, response)
	}
	eventually(t, "the hosts stand still", func() bool {
		before := sent.Load()
		time.Sleep(50 * time.Millisecond)
		return sent.Load() == before
	})
	if n := sent.Load(); n > 8*(2*maxPage)+(4<<20) {
		t.Errorf("%d bytes were sent to readers that read nothing", n)
	}
	var reading sync.WaitGroup
	for _, response := range open {
		reading.Go(func() {
			defer response.Body.Close()
			n, err := io.Copy(io.Discard, response.Body)
			if n != 20<<20 || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
	reading.Wait()
	if st := asker.Status(); !st.Connected || st.Reconnects > 0 {
		t.Errorf("the server cut us off: %+v", st)
	}
	idle(t, rt)
}

func TestManyAtOnceLeaveNothing(t *testing.T) {
	s := startServer(t, "")
	host, asker := link(t, s), link(t, s)
	stop := respond(t, host, "web", http.HandlerFunc(echo), func(cfg *ResponderConfig) { cfg.Requests = 200 })
	c, rt := ask(t, asker)
	get(t, c, "nats://web/?size=10")
	before, subs := runtime.NumGoroutine(), asker.conn.NumSubscriptions()
	var asking sync.WaitGroup
	for i := range 100 {
		asking.Go(func() {
			size := 1 + i*5000
			text, err := fetch(c, "nats://web/?size="+strconv.Itoa(size))
			if err != nil || text != string(pattern(size)) {
				t.Errorf("%d: %d bytes, %v", size, len(text), err)
			}
		})
	}
	asking.Wait()
	idle(t, rt)
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
	if n := asker.conn.NumSubscriptions(); n != subs {
		t.Errorf("%d subscriptions, %d before", n, subs)
	}
	stop()
	if n := host.conn.NumSubscriptions(); n != 0 {
		t.Errorf("the host has %d subscriptions left", n)
	}
}

func TestMoreThanTheHostTakes(t *testing.T) {
	s := startServer(t, "")
	release, began := make(chan struct{}), make(chan struct{}, 1)
	respond(t, link(t, s), "web", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		began <- struct{}{}
		<-release
	}), func(cfg *ResponderConfig) { cfg.Requests = 1 })
	c, _ := ask(t, link(t, s))
	go fetch(c, "nats://web/")
	<-began
	response, text := get(t, c, "nats://web/")
	if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" || !strings.Contains(text, "1 requests are being answered") {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, text)
	}
	close(release)
}

func FuzzToken(f *testing.F) {
	for _, seed := range []string{"web1", "web.example.com", "a b", "=2E", "*", ">", "ä", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := Token(name)
		if strings.ContainsAny(token, ".*> \t\r\n") {
			t.Errorf("token %q", token)
		}
		if back, ok := fromToken(token); len(name) <= maxName && (back != name || ok != (name != "")) {
			t.Errorf("%q → %q → %q, %v", name, token, back, ok)
		}
		if back, ok := fromToken(name); ok && Token(back) != name {
			t.Errorf("%q is read as %q, which is written %q", name, back, Token(back))
		}
		if a := (Address{Host: name, Site: "s"}); a.Validate() == nil {
			u, err := url.Parse(a.URL())
			if err != nil {
				t.Fatal(err)
			}
			if back, err := addressOf(u, ""); err != nil || back != a {
				t.Errorf("%s: %v, %v", a.URL(), back, err)
			}
		}
	})
}

func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
