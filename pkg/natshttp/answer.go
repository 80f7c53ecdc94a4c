package natshttp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weirflow/weir/pkg/wire"
)

// maxCredit bounds what an asker may grant: a host keeps no more than a page of its answer anyway.
const maxCredit = 64 << 20

// reunion is how long a host waits for its connection to tell an asker that an answer is lost; an asker waits no longer.
const reunion = 10 * time.Second

// leastPage is what the host waits for before it sends a part of more, so that little credit makes no little pages.
const leastPage = 16 << 10

// answer is one request and its answer, as the host has it: the http.ResponseWriter of the handler.
type answer struct {
	responder          *Responder
	id, inbox, control string
	page               int
	crowded, headOnly  bool
	cut                atomic.Bool // the connection was lost
	ctx                context.Context
	cancel             context.CancelFunc

	sending  sync.Mutex // one writer at a time: the handler, or what it started
	header   http.Header
	sent     http.Header // as it was when the status was
	status   int
	buffer   []byte
	sequence int
	ended    bool

	mu       sync.Mutex
	credit   int
	changed  chan struct{}
	deadline time.Time // for writes
	upload   *uploaded
}

// serve lets the handler answer, and ends the answer as it ended.
func (a *answer) serve(m *nats.Msg) {
	alive := make(chan struct{})
	defer close(alive)
	go a.keepAlive(alive)
	end := "the handler broke off"
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				a.responder.deps.Logger.Error("panic", "remote", a.remote(), "panic", p, "stack", string(debug.Stack()))
			}
		}
		a.finish(end)
	}()
	request, problem := a.request(m)
	switch {
	case problem != nil:
		a.refuse(problem)
	case a.crowded:
		a.Header().Set("Retry-After", "1")
		a.refuse(a.responder.crowdedProblem())
	default:
		a.responder.deps.Handler.ServeHTTP(a, request)
	}
	end = endDone
}

func (a *answer) refuse(p *wire.Problem) {
	a.responder.counts.refused.Add(1)
	body, err := json.Marshal(p)
	if err != nil {
		body = nil
	}
	a.Header().Set("Content-Type", wire.ProblemType)
	a.WriteHeader(p.Status)
	_, _ = a.Write(body) // the asker may be gone
}

// remote names the asker in the log: the connection it asks from, as far as that can be known.
func (a *answer) remote() string {
	inbox := strings.TrimPrefix(a.inbox, nats.InboxPrefix)
	if i := strings.LastIndexByte(inbox, '.'); i > 0 {
		inbox = inbox[:i]
	}
	return Scheme + ":" + clip(inbox)
}

// request makes the HTTP request of a message.
func (a *answer) request(m *nats.Msg) (*http.Request, *wire.Problem) {
	header, err := take(m.Header)
	if err != nil {
		return nil, wire.NewProblem(http.StatusRequestHeaderFieldsTooLarge, err.Error())
	}
	uri := m.Header.Get(headerURI)
	target, err := url.ParseRequestURI(uri)
	if err != nil || len(uri) > maxURI || !strings.HasPrefix(uri, "/") {
		return nil, wire.NewProblem(http.StatusBadRequest, "the message has no "+headerURI+" that is a path")
	}
	method := m.Header.Get(headerMethod)
	if method == "" || len(method) > 16 || strings.ContainsFunc(method, func(c rune) bool { return c < 'A' || c > 'Z' }) {
		return nil, wire.NewProblem(http.StatusBadRequest, "the message has no "+headerMethod)
	}
	a.headOnly = method == http.MethodHead
	more := m.Header.Get(headerMore) != ""
	a.mu.Lock()
	a.upload = &uploaded{answer: a, page: m.Data, more: more, changed: make(chan struct{}, 1)}
	a.mu.Unlock()
	r := &http.Request{
		Method: method, URL: target, RequestURI: uri, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Host: a.responder.cfg.Host, RemoteAddr: a.remote(), Body: a.upload, ContentLength: int64(len(m.Data)),
	}
	if more {
		r.ContentLength = -1
	} else if len(m.Data) == 0 {
		r.Body = http.NoBody
	}
	return r.WithContext(a.ctx), nil
}

// keepAlive says from time to time that the work goes on. Nobody to say it to ends the work.
func (a *answer) keepAlive(done chan struct{}) {
	ticker := time.NewTicker(a.responder.cfg.Alive)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m := a.message()
			m.Header.Set(headerAlive, "1")
			if err := a.responder.deps.Link.conn.PublishMsg(m); err != nil {
				a.cancel() // pages would be lost, too
			}
		case <-done:
			return
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *answer) message() *nats.Msg {
	m := nats.NewMsg(a.inbox)
	m.Reply = a.control
	m.Header.Set(headerInstance, a.responder.instance)
	return m
}

// Header is part of http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is part of http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.sending.Lock()
	defer a.sending.Unlock()
	a.writeHeader(status)
}

func (a *answer) writeHeader(status int) {
	if a.status == 0 && status >= 200 { // 1xx are no answers
		a.status = status
		a.sent = a.header.Clone() // what the handler sets from now on comes too late
	}
}

// Write is part of http.ResponseWriter. It blocks while the asker takes no more.
func (a *answer) Write(p []byte) (int, error) {
	a.sending.Lock()
	defer a.sending.Unlock()
	if a.ended {
		return 0, http.ErrHandlerTimeout
	}
	a.writeHeader(http.StatusOK)
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if a.headOnly {
		return len(p), nil
	}
	written := 0
	for len(p) > 0 {
		n := min(a.page-len(a.buffer), len(p))
		a.buffer = append(a.buffer, p[:n]...)
		p, written = p[n:], written+n
		if len(a.buffer) >= a.page {
			if err := a.send(a.page, ""); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// FlushError sends what was written; http.ResponseController calls it.
func (a *answer) FlushError() error {
	a.sending.Lock()
	defer a.sending.Unlock()
	if a.ended {
		return http.ErrHandlerTimeout
	}
	a.writeHeader(http.StatusOK)
	if len(a.buffer) == 0 && a.sequence > 0 {
		return a.ctx.Err()
	}
	return a.send(0, "")
}

// Flush is FlushError for those who do not care.
func (a *answer) Flush() { _ = a.FlushError() }

// SetWriteDeadline is for http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline = t
	return nil
}

// SetReadDeadline is for http.ResponseController.
func (a *answer) SetReadDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.upload != nil {
		a.upload.deadline = t
	}
	return nil
}

// finish sends the rest of the answer, and how it ended.
func (a *answer) finish(end string) {
	a.sending.Lock()
	defer a.sending.Unlock()
	switch err := a.ctx.Err(); {
	case a.cut.Load():
		end = "the host lost its connection to the NATS server"
		_ = a.responder.deps.Link.await(a.responder.ending, reunion) // then publishing fails, which changes nothing
	case errors.Is(err, context.DeadlineExceeded) || a.responder.ending.Err() != nil:
		end = "it was cancelled"
	case err != nil:
		a.ended = true
		return // nobody waits
	}
	if end == endDone {
		a.writeHeader(http.StatusOK)
		if err := a.send(0, endDone); err == nil {
			return
		}
		end = "its pages could not be sent"
	}
	// What is buffered does not count any more; the mark needs no credit.
	a.ended, a.buffer = true, nil
	if a.status == 0 {
		a.status = http.StatusInternalServerError
	}
	_ = a.publish(nil, end) // without a connection, the asker finds out by itself
}

// send sends pages until no more than keep bytes are left, which is 0 or stands for less than a page; end goes on the last.
func (a *answer) send(keep int, end string) error {
	for {
		most := min(len(a.buffer), a.page)
		n, err := a.allowed(most)
		if err != nil {
			return err
		}
		mark := ""
		if n == len(a.buffer) {
			mark = end
		}
		if err := a.publish(a.buffer[:n], mark); err != nil {
			return err
		}
		a.buffer = a.buffer[:copy(a.buffer, a.buffer[n:])]
		if len(a.buffer) == 0 || len(a.buffer) < keep {
			return nil
		}
	}
}

// allowed waits until the asker takes some of the bytes, and books them.
func (a *answer) allowed(most int) (n int, err error) {
	if most == 0 {
		return 0, a.ctx.Err()
	}
	for {
		a.mu.Lock()
		n := min(most, a.credit-pageCost)
		enough := n >= min(most, leastPage)
		if enough {
			a.credit -= cost(n)
		}
		deadline := a.deadline
		a.mu.Unlock()
		if err := a.ctx.Err(); err != nil {
			return 0, err
		}
		if enough {
			return n, nil
		}
		if err := pause(a.ctx, a.changed, deadline); err != nil {
			return 0, err
		}
	}
}

// pause waits for a change, until a deadline if there is one.
func pause(ctx context.Context, changed chan struct{}, deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

func (a *answer) publish(data []byte, end string) error {
	m := a.message()
	m.Header.Set(headerSequence, strconv.Itoa(a.sequence))
	if a.sequence == 0 {
		put(m.Header, a.sent)
		m.Header.Set(headerStatus, strconv.Itoa(a.status))
	}
	if end != "" {
		m.Header.Set(headerEnd, end)
		a.ended = true
	}
	m.Data = data
	a.sequence++
	a.responder.counts.bytes.Add(uint64(len(data)))
	return a.responder.deps.Link.conn.PublishMsg(m)
}

// grant lets the answer go on.
func (a *answer) grant(bytes int) {
	a.mu.Lock()
	a.credit = min(a.credit+max(bytes, 0), maxCredit)
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// bodyPage takes a page of the request's body.
func (a *answer) bodyPage(sequence int, data []byte, more bool) {
	a.mu.Lock()
	u := a.upload
	a.mu.Unlock()
	if u != nil {
		u.put(sequence, data, more)
	}
}
