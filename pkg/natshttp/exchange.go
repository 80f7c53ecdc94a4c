package natshttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weirflow/weir/pkg/client"
)

// exchange is one request and its answer, as the asker has it.
type exchange struct {
	tripper *RoundTripper
	address Address
	token   string // below the inbox
	id      string // for the host
	control string // subject
	changed chan struct{}
	heard   atomic.Int64 // Unix nanoseconds, of the last sign of life

	mu       sync.Mutex
	instance string // the host's, from its first message
	stranger string // another of the same name, which was told to stop
	head     *head
	pages    [][]byte // to be read
	expected int      // next page
	want     int      // page of the request's body that the host waits for; 0: none
	complete bool     // the last page is here
	err      error

	units  int // of the budget
	window int // bytes that the host may have on the way
	credit int // what is left of it
	read   int // bytes read since the host was last told
	over   bool
}

// head is the beginning of an answer.
type head struct {
	status int
	header http.Header
}

// deliver takes a message of the host, or the server's that there is none.
func (e *exchange) deliver(m *nats.Msg) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil || e.over {
		return
	}
	if isUndelivered(m) {
		if e.instance == "" {
			e.failLocked(fail(e.address, client.KindRefused, nats.ErrNoResponders, "is its weir-probe running, and connected to this NATS server and account?",
				"no host answers on %s", e.address.subject("query")))
		} // else: what we said came too late
		return
	}
	instance := m.Header.Get(headerInstance)
	if e.instance == "" {
		e.instance = instance
	}
	if instance != e.instance {
		e.dismiss(instance)
		return
	}
	e.heard.Store(time.Now().UnixNano())
	if text := m.Header.Get(headerWant); text != "" {
		e.want, _ = strconv.Atoi(text) // a number that is none asks for nothing
	} else if text := m.Header.Get(headerSequence); text != "" {
		e.page(m, text)
	}
	e.wake()
}

// dismiss tells another host of the same name, which answers too, to stop.
func (e *exchange) dismiss(instance string) {
	if instance == "" || instance == e.stranger {
		return
	}
	e.stranger = instance
	m := nats.NewMsg(e.control)
	m.Header.Set(headerInstance, instance)
	m.Header.Set(headerCancel, "1")
	_ = e.tripper.link.conn.PublishMsg(m) // it ends by itself, too
}

// page takes a page, if it is the next one. An earlier one is a duplicate; a later one says that one is lost.
func (e *exchange) page(m *nats.Msg, text string) {
	sequence, err := strconv.Atoi(text)
	switch {
	case err != nil || sequence < 0:
		e.broken(nil, "the host numbers a page %q", text)
		return
	case sequence < e.expected || e.complete:
		return
	case sequence > e.expected:
		e.broken(io.ErrUnexpectedEOF, "page %d of the answer was lost", e.expected)
		return
	}
	if e.credit -= cost(len(m.Data)); e.credit < 0 {
		e.broken(nil, "the host sends more than it was allowed to")
		return
	}
	if sequence == 0 {
		if e.head, err = headOf(m); err != nil {
			e.broken(err, "the head of the answer: %v", err)
			return
		}
	}
	e.expected++
	if len(m.Data) > 0 {
		e.pages = append(e.pages, m.Data)
	}
	if end := m.Header.Get(headerEnd); end == endDone {
		e.complete = true
	} else if end != "" {
		e.broken(io.ErrUnexpectedEOF, "the host ended the answer before it was complete: %q", end)
	}
}

func headOf(m *nats.Msg) (*head, error) {
	status, err := strconv.Atoi(m.Header.Get(headerStatus))
	if err != nil || status < 200 || status > 999 {
		return nil, errors.New("it has no status")
	}
	header, err := take(m.Header)
	if err != nil {
		return nil, err
	}
	return &head{status, header}, nil
}

func (e *exchange) broken(cause error, format string, arguments ...any) {
	e.failLocked(fail(e.address, client.KindProtocol, cause, "", format, arguments...))
}

func (e *exchange) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failLocked(err)
}

// failLocked ends the exchange, unless it has ended: what a complete answer has left to be read stays readable.
func (e *exchange) failLocked(err error) {
	if e.err == nil && !e.complete {
		e.err = err
	}
	e.wake()
}

func (e *exchange) wake() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// look is what is known before the answer's body is read: its head, a page that the host wants, or an error.
func (e *exchange) look() (_ *head, want int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	want, e.want = e.want, 0
	if e.head != nil {
		return e.head, 0, nil // an error after it is the body's
	}
	return nil, want, e.err
}

// wait waits for a change, no longer than the host may be silent.
func (e *exchange) wait(ctx context.Context) error {
	for {
		left := e.tripper.cfg.Silence - time.Since(time.Unix(0, e.heard.Load()))
		if left <= 0 {
			return fail(e.address, client.KindTimeout, nil, "is the host up and connected to its NATS server?",
				"the host said nothing for %v", e.tripper.cfg.Silence)
		}
		timer := time.NewTimer(left)
		select {
		case <-e.changed:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// message is one to the host.
func (e *exchange) message() *nats.Msg {
	m := nats.NewMsg(e.control)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.instance != "" {
		m.Header.Set(headerInstance, e.instance)
	}
	return m
}

// end gives back what the exchange holds; the host is told to stop if it may not have finished.
func (e *exchange) end(cancel bool) {
	e.mu.Lock()
	if e.over {
		e.mu.Unlock()
		return
	}
	e.over, e.pages = true, nil
	cancel = cancel && !e.complete
	units := e.units
	e.units = 0
	e.mu.Unlock()
	if cancel {
		m := e.message()
		m.Header.Set(headerCancel, "1")
		_ = e.tripper.link.conn.PublishMsg(m) // without a connection, the host finds out by itself
	}
	e.tripper.mu.Lock()
	delete(e.tripper.exchanges, e.token)
	e.tripper.mu.Unlock()
	e.tripper.budget.release(units)
	e.wake()
}

// response makes the answer of its head; the rest is read as it comes.
func (e *exchange) response(ctx context.Context, r *http.Request, h *head, unzip bool) (*http.Response, error) {
	b := &body{exchange: e, ctx: ctx, declared: -1}
	response := &http.Response{
		Status: strconv.Itoa(h.status) + " " + http.StatusText(h.status), StatusCode: h.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h.header, Body: b, ContentLength: -1, Request: r,
	}
	if text := h.header.Get("Content-Length"); text != "" && r.Method != http.MethodHead {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, fail(e.address, client.KindProtocol, err, "", "the answer has the length %q", text)
		}
		b.declared, response.ContentLength = n, n
	}
	// The host stops as soon as nobody waits any more, read or not.
	b.stop = context.AfterFunc(ctx, func() { e.end(true) })
	if unzip && h.header.Get("Content-Encoding") == "gzip" {
		h.header.Del("Content-Encoding")
		h.header.Del("Content-Length")
		response.ContentLength, response.Uncompressed = -1, true
		response.Body = &unzipped{body: b}
	}
	e.widen()
	return response, nil
}

// widen lets the host have more on the way, if the answer goes on and the budget has room.
func (e *exchange) widen() {
	e.mu.Lock()
	if e.complete || e.over {
		e.mu.Unlock()
		return
	}
	more := e.tripper.budget.more(windowUnits - e.units)
	e.units += more
	e.window += more * firstUnit
	e.mu.Unlock()
	e.grant(more * firstUnit)
}

// grant lets the host send so many bytes more.
func (e *exchange) grant(bytes int) {
	if bytes == 0 {
		return
	}
	e.mu.Lock()
	e.credit += bytes
	e.mu.Unlock()
	m := e.message()
	m.Header.Set(headerCredit, strconv.Itoa(bytes))
	_ = e.tripper.link.conn.PublishMsg(m) // without a connection the exchange fails anyway
}
