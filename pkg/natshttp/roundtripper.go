package natshttp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weirflow/weir/pkg/client"
)

// AskerConfig says how a RoundTripper asks.
type AskerConfig struct {
	// Site of hosts whose URL names none; empty: DefaultSite.
	Site string
	// Silence is how long a host may say nothing at all before it counts as gone; a host that works says so every two
	// seconds. 0: 10 s.
	Silence time.Duration
	// Grace is how long a request waits for a connection that is away; 0: 2 s. It counts from the loss.
	Grace time.Duration
	// Budget bounds the bytes of answers that may wait to be read, over all requests; 0: 32 MiB. Below the server's max_pending.
	Budget int64
	// MaxBody is the greatest body of a request; 0: 16 MiB.
	MaxBody int64
}

// window is what one answer may have on the way when there is room: 1 MiB.
const windowUnits = 16

// RoundTripper asks hosts behind a Link. It is safe for concurrent use. Its errors are *client.Error values.
type RoundTripper struct {
	cfg    AskerConfig
	link   *Link
	budget budget
	inbox  string // of all requests; each has a token below it
	sub    *nats.Subscription
	forget func()

	mu        sync.Mutex
	closed    bool
	exchanges map[string]*exchange
}

// NewRoundTripper returns a round tripper, which listens on one inbox of its own until Close.
func NewRoundTripper(cfg AskerConfig, link *Link) (*RoundTripper, error) {
	if cfg.Silence == 0 {
		cfg.Silence = 10 * time.Second
	}
	if cfg.Grace == 0 {
		cfg.Grace = 2 * time.Second
	}
	if cfg.Budget == 0 {
		cfg.Budget = 32 << 20
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 16 << 20
	}
	t := &RoundTripper{cfg: cfg, link: link, budget: newBudget(cfg.Budget), exchanges: map[string]*exchange{},
		inbox: nats.InboxPrefix + rand.Text()}
	var err error
	if t.sub, err = link.conn.Subscribe(t.inbox+".*", t.deliver); err != nil {
		return nil, fmt.Errorf("nats: listen on the inbox: %w", err)
	}
	// Hosts keep to their credit; whoever does not may fill this much of our memory before messages are lost.
	if err := t.sub.SetPendingLimits(-1, int(2*cfg.Budget)+(16<<20)); err != nil {
		return nil, fmt.Errorf("nats: bound the inbox: %w", err)
	}
	t.forget = link.watch(func(connected bool) {
		if !connected {
			t.failAll()
		}
	})
	return t, nil
}

// Close ends all requests and stops listening. The link stays.
func (t *RoundTripper) Close() error {
	t.forget()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.failAll()
	return t.sub.Unsubscribe()
}

// Private says that nobody else can read what is sent, as far as is known now: whether a token may be.
func (t *RoundTripper) Private() bool {
	_, private, _, _ := t.link.state()
	return private
}

// failAll ends what waits for an answer of which pages may be lost. Asking again is safe and may help, which the cause says.
func (t *RoundTripper) failAll() {
	t.mu.Lock()
	all := make([]*exchange, 0, len(t.exchanges))
	for _, e := range t.exchanges {
		all = append(all, e)
	}
	t.mu.Unlock()
	for _, e := range all {
		e.fail(fail(e.address, client.KindUnreachable, syscall.ECONNRESET, "the query can be asked again",
			"the connection to the NATS server was lost before the answer was complete"))
	}
}

func fail(a Address, kind client.Kind, cause error, hint, format string, arguments ...any) *client.Error {
	return &client.Error{Kind: kind, Server: a.URL(), Text: fmt.Sprintf(format, arguments...), Hint: hint, Cause: cause}
}

// RoundTrip is part of http.RoundTripper. The caller has to close the answer's body.
func (t *RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	address, err := addressOf(r.URL, t.cfg.Site)
	if err != nil {
		return nil, err
	}
	if err := t.ready(r.Context(), address); err != nil {
		return nil, err
	}
	if r.Header.Get("Authorization") != "" && !t.Private() {
		return nil, fail(address, client.KindTLS, nil, "use tls:// for the NATS servers", "the token would be sent unencrypted")
	}
	if err := t.budget.acquire(r.Context()); err != nil {
		return nil, err
	}
	e := t.begin(address)
	response, err := e.ask(r)
	if err != nil {
		e.end(true)
		return nil, err
	}
	return response, nil
}

// ready waits for the connection, no longer than Grace after it was lost.
func (t *RoundTripper) ready(ctx context.Context, a Address) error {
	connected, _, since, _ := t.link.state()
	if connected {
		return nil
	}
	err := t.link.await(ctx, max(t.cfg.Grace-time.Since(since), 0))
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fail(a, client.KindUnreachable, err, "is the NATS server up, and are we let in?", "%v", err)
}

func (t *RoundTripper) begin(a Address) *exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Nobody can guess either of them: a host must not be able to answer for another one, or to end its work.
	token := rand.Text()
	e := &exchange{tripper: t, address: a, token: token, id: rand.Text(), changed: make(chan struct{}, 1),
		units: 1, credit: firstUnit, window: firstUnit}
	e.control = a.subject("control." + e.id)
	e.heard.Store(time.Now().UnixNano())
	if t.closed {
		e.err = errClosed
	}
	t.exchanges[token] = e
	return e
}

var errClosed = errors.New("nats: the round tripper is closed")

// deliver takes every message of every answer. It never waits.
func (t *RoundTripper) deliver(m *nats.Msg) {
	token := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	t.mu.Lock()
	e := t.exchanges[token]
	t.mu.Unlock()
	switch {
	case e != nil:
		e.deliver(m)
	case isControl(m.Reply) && m.Header.Get(headerEnd) == "":
		// A host works for nobody: what told it to stop was lost.
		late := nats.NewMsg(m.Reply)
		late.Header.Set(headerInstance, m.Header.Get(headerInstance))
		late.Header.Set(headerCancel, "1")
		_ = t.link.conn.PublishMsg(late)
	}
}

// isControl says that a subject is one of our own, so that no host can make us publish on others.
func isControl(subject string) bool {
	parts := strings.Split(subject, ".")
	return len(parts) == 6 && strings.HasPrefix(subject, prefix) && parts[4] == "control"
}

// ask sends the request and waits for the head of the answer.
func (e *exchange) ask(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	up := &upload{exchange: e, body: r.Body, page: e.tripper.link.page(), left: e.tripper.cfg.MaxBody}
	message, unzip, err := e.request(ctx, r, up)
	if err != nil {
		return nil, err
	}
	if err := e.tripper.link.conn.PublishMsg(message); err != nil {
		return nil, e.unsent(err)
	}
	for {
		head, want, err := e.look()
		switch {
		case err != nil:
			return nil, err
		case head != nil:
			return e.response(ctx, r, head, unzip)
		case want > 0:
			if err := up.send(want); err != nil {
				return nil, err
			}
			continue
		}
		if err := e.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// request makes the first message; unzip says that the answer's compression is our affair.
func (e *exchange) request(ctx context.Context, r *http.Request, up *upload) (m *nats.Msg, unzip bool, err error) {
	m = nats.NewMsg(e.address.subject("query"))
	m.Reply = e.tripper.inbox + "." + e.token
	put(m.Header, r.Header)
	m.Header.Set(headerMethod, r.Method)
	m.Header.Set(headerURI, r.URL.RequestURI())
	m.Header.Set(headerRequest, e.id)
	m.Header.Set(headerCredit, strconv.Itoa(firstUnit))
	if r.Method == "" {
		m.Header.Set(headerMethod, http.MethodGet)
	}
	if r.Header.Get("Accept-Encoding") == "" && r.Header.Get("Range") == "" && r.Method != http.MethodHead {
		unzip = true
		m.Header.Set("Accept-Encoding", "gzip")
	}
	if end, ok := ctx.Deadline(); ok {
		m.Header.Set(headerTimeout, strconv.FormatInt(max(int64(time.Until(end)), 1), 10))
	}
	data, more, err := up.next()
	if err != nil {
		return nil, false, err
	}
	m.Data = data
	if more {
		m.Header.Set(headerMore, "1")
	}
	return m, unzip, nil
}

func (e *exchange) unsent(err error) error {
	return fail(e.address, client.KindUnreachable, err, "", "the NATS connection takes no request: %v", err)
}

// upload gives the host the pages of a request's body as it asks for them.
type upload struct {
	exchange *exchange
	body     io.Reader // nil: none
	page     int
	left     int64
	sent     int // pages
	peeked   []byte
	ended    bool
}

// next is the next page, and whether there are more.
func (u *upload) next() (page []byte, more bool, err error) {
	if u.body == nil {
		return nil, false, nil
	}
	if u.sent++; u.sent == 1 {
		if u.peeked, err = u.read(); err != nil {
			return nil, false, err
		}
	}
	page = u.peeked
	if !u.ended {
		if u.peeked, err = u.read(); err != nil {
			return nil, false, err
		}
		return page, len(u.peeked) > 0, nil
	}
	u.peeked = nil
	return page, false, nil
}

func (u *upload) read() ([]byte, error) {
	most := min(int64(u.page), u.left+1)
	data, err := io.ReadAll(io.LimitReader(u.body, most))
	if err != nil {
		return nil, fmt.Errorf("read the request's body: %w", err)
	}
	u.ended = int64(len(data)) < most
	if u.left -= int64(len(data)); u.left < 0 {
		return nil, fail(u.exchange.address, client.KindUser, nil, "", "the request has more than %d bytes", u.exchange.tripper.cfg.MaxBody)
	}
	return data, nil
}

// send sends page number want, if it is the next one; asking again for what was sent is of no use.
func (u *upload) send(want int) error {
	if want != u.sent {
		return nil
	}
	data, more, err := u.next()
	if err != nil {
		return err
	}
	m := u.exchange.message()
	m.Header.Set(headerSequence, strconv.Itoa(want))
	if more {
		m.Header.Set(headerMore, "1")
	}
	m.Data = data
	if err := u.exchange.tripper.link.conn.PublishMsg(m); err != nil {
		return u.exchange.unsent(err)
	}
	return nil
}
