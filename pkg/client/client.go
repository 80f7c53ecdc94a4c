// Package client asks one server over HTTP: a probe, a gateway, or a goProbe v4 sensor or global-query server, whose
// quirks it hides. Its errors are *Error values that say in a sentence what is wrong and what to do.
//
// Invariants: a token never leaves over a connection that others can read, and never follows a redirect; answers are
// bounded in size; a server is never sent a member that it does not know.
//
// Neighbours: wire is what is carried, serve is the other end, fleet asks many clients.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/wire"
)

// Deps of a client; all may be zero.
type Deps struct {
	// Now is the clock for relative times; nil: time.Now.
	Now func() time.Time
}

// Client asks one server. It is safe for concurrent use.
type Client struct {
	cfg     Config
	deps    Deps
	address address
	http    *http.Client
	own     *http.Transport // nil: the caller's transport is used
	turn    chan struct{}   // one query at a time, for goProbe sensors

	mu       sync.Mutex
	info     *Info
	detected time.Time
}

// New checks the configuration; it connects to nothing. Its errors name what to change.
func New(cfg Config, deps Deps) (*Client, error) {
	where, err := parseAddress(cfg.URL, cfg.Transport != nil)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, deps: deps, address: where, turn: make(chan struct{}, 1)}
	if cfg.MaxResponse == 0 {
		c.cfg.MaxResponse = DefaultConfig().MaxResponse
	}
	if c.deps.Now == nil {
		c.deps.Now = time.Now
	}
	if where.socket != "" && cfg.RejectUnix {
		return nil, fmt.Errorf("address %s: Unix sockets are not allowed here: use http:// or https://", where)
	}
	if len(cfg.Headers) > 0 && cfg.Transport == nil && !where.private() && !cfg.AllowCleartextToken {
		return nil, fmt.Errorf("address %s: the configured headers would be sent unencrypted: use https://", where)
	}
	if cfg.Token != "" && cfg.Transport == nil && !where.private() && !cfg.AllowCleartextToken {
		return nil, fmt.Errorf("address %s: the token would be sent unencrypted: use https://", where)
	}
	transport := cfg.Transport
	if transport == nil {
		own, err := c.transport()
		if err != nil {
			return nil, fmt.Errorf("address %s: %w", where, err)
		}
		transport, c.own = own, own
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.redirect}
	return c, nil
}

// Address is the server's address for people, without secrets.
func (c *Client) Address() string { return c.address.String() }

// Close closes idle connections. Calls after it open new ones.
func (c *Client) Close() error {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return nil
}

func (c *Client) transport() (*http.Transport, error) {
	config, err := c.cfg.TLS.Config()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	t := &http.Transport{
		TLSClientConfig: config, DialContext: dialer.DialContext, Proxy: http.ProxyFromEnvironment,
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
	if c.cfg.RefuseLocal {
		t.Proxy, t.DialContext = nil, elsewhere(dialer) // a proxy would connect where we do not see it
	}
	if c.address.socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", c.address.socket)
		}
	}
	return t, nil
}

// redirect follows redirects to the same server only: a token must not go anywhere else.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	base := c.address.base
	if r.URL.Scheme != base.Scheme || r.URL.Host != base.Host {
		return c.fail(KindProtocol, nil, "put the final address into the configuration", "the server redirects to %s, which is not followed", r.URL.Redacted())
	}
	if len(via) > 5 {
		return c.fail(KindProtocol, nil, "", "the server redirects in circles")
	}
	return nil
}

// plainText is a body that is sent as it is.
type plainText []byte

// call makes one request and decodes a JSON answer into out, unless that is nil. With an empty answer (204) out keeps
// its value. Only calls pass here that are safe to repeat once when the connection breaks: reading, and setting all at once.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	if c.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
	}
	var payload []byte
	if text, ok := body.(plainText); ok {
		payload = text
	} else if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode the request to %s: %w", c.address, err)
		}
	}
	err := c.once(ctx, method, path, query, payload, out)
	if isUnanswered(err) && ctx.Err() == nil {
		err = c.once(ctx, method, path, query, payload, out)
	}
	for range patience {
		if !waitForTurn(ctx, err) {
			break
		}
		err = c.once(ctx, method, path, query, payload, out)
	}
	if err != nil {
		return c.transportError(ctx, err)
	}
	return nil
}

// How often a query is asked again where the server asks to come back, and for how long it is waited at most.
const (
	patience     = 3
	longestWait  = 5 * time.Second
	usualWait    = time.Second // goProbe says 429 and nothing else
	minRetryWait = 10 * time.Millisecond
)

// waitForTurn waits as long as the server says, if it says that it had too many queries, and whether to ask again.
func waitForTurn(ctx context.Context, err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests || e.wait > longestWait {
		return false
	}
	timer := time.NewTimer(max(e.wait, minRetryWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter reads the header of a refusal; only seconds are used by the servers this is for.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 3600 {
		return usualWait
	}
	return time.Duration(seconds) * time.Second
}

// once makes one attempt. Errors of the connection come back bare, all others as *Error.
func (c *Client) once(ctx context.Context, method, path string, query url.Values, payload []byte, out any) error {
	target := *c.address.base
	target.Path += path
	target.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("make the request to %s: %w", c.address, err)
	}
	c.head(r, payload != nil)
	if large, ok := out.(*largeResult); ok {
		r.Header.Set("Accept", large.accept())
	}
	response, err := c.http.Do(r)
	if err != nil {
		return unanswered{err}
	}
	defer response.Body.Close()
	body, done := c.cfg.Answers.read(ctx, response.Body)
	defer done()
	limited := &io.LimitedReader{R: body, N: c.cfg.MaxResponse + 1}
	if response.StatusCode >= 300 {
		return c.refusal(response, limited)
	}
	if response.StatusCode == http.StatusNoContent || out == nil {
		_, err := io.Copy(io.Discard, limited)
		return err
	}
	switch err := decode(response, limited, out); {
	case limited.N <= 0:
		return c.fail(KindProtocol, err, "ask for fewer rows or a shorter span", "the answer is larger than the limit of %d bytes", c.cfg.MaxResponse)
	case err != nil && (isReset(err) || ctx.Err() != nil):
		return err
	case err != nil:
		return c.fail(KindProtocol, err, "is this the address of a probe or gateway?", "the answer is not what the API says: %v", err)
	}
	_, err = io.Copy(io.Discard, limited) // up to the end, so that the connection can be used again
	return err
}

// largeResult is a result of which many rows are expected.
type largeResult wire.Result

// accept prefers what is decoded fastest.
func (*largeResult) accept() string {
	return wire.FormatArrow.MediaType() + ", " + wire.FormatJSON.MediaType() + ";q=0.9"
}

// decode reads an answer in the form that it has.
func decode(response *http.Response, body io.Reader, out any) error {
	if large, ok := out.(*largeResult); ok {
		if format, _ := wire.ParseMediaType(response.Header.Get("Content-Type")); format == wire.FormatArrow {
			return readArrow(body, (*wire.Result)(large))
		}
		out = (*wire.Result)(large)
	}
	return json.NewDecoder(body).Decode(out)
}

func (c *Client) head(r *http.Request, body bool) {
	if body {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.cfg.Headers {
		r.Header.Set(name, value)
	}
	if c.cfg.UserAgent != "" {
		r.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	if c.cfg.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	if c.cfg.RuntimeID != "" {
		r.Header.Set("X-Goprobe-Runtime-Id", c.cfg.RuntimeID)
		r.Header.Set(wire.PathHeader, strings.Join(append(slices.Clone(span.Path(r.Context())), c.cfg.RuntimeID), ","))
	}
	if end, ok := r.Context().Deadline(); ok {
		r.Header.Set(wire.TimeoutHeader, strconv.FormatInt(max(time.Until(end).Milliseconds(), 1), 10))
	}
	if parent := span.Parent(r.Context()); parent != "" {
		r.Header.Set("Traceparent", parent)
	}
}

// refusal reads what the server says beside its status.
func (c *Client) refusal(response *http.Response, body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil && isReset(err) {
		return err
	}
	var p wire.Problem
	if strings.HasPrefix(response.Header.Get("Content-Type"), wire.ProblemType) && json.Unmarshal(text, &p) == nil {
		text = nil
	}
	problem := &p
	if text != nil {
		problem = nil
	}
	e := c.statusError(response.StatusCode, problem, firstLine(string(text)))
	e.wait = retryAfter(response.Header)
	return e
}

// firstLine is the start of a foreign text, for an error message.
func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
