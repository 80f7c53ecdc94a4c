package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// Kind classifies why a call failed. It is a closed set.
type Kind string

// The kinds.
const (
	KindUnreachable Kind = "unreachable" // no such host, no route
	KindRefused     Kind = "refused"     // the machine answers, nothing listens
	KindTimeout     Kind = "timeout"
	KindTLS         Kind = "tls"      // the two do not agree on who they are
	KindAuth        Kind = "auth"     // not known there, or not allowed
	KindProtocol    Kind = "protocol" // something answers, but not the contract
	KindServer      Kind = "server"   // the server's own fault, or overload
	KindUser        Kind = "user"     // the question is at fault
	KindCanceled    Kind = "canceled" // the caller's context ended
)

// Class is how the wire says it in the state of a host.
func (k Kind) Class() wire.Class {
	switch k {
	case KindUnreachable:
		return wire.ClassUnreachable
	case KindRefused:
		return wire.ClassRefused
	case KindTimeout:
		return wire.ClassTimeout
	case KindTLS:
		return wire.ClassTLS
	case KindAuth:
		return wire.ClassUnauthorised
	case KindProtocol:
		return wire.ClassProtocol
	case KindUser:
		return wire.ClassQuery
	case KindCanceled:
		return wire.ClassCancelled
	}
	return wire.ClassServer
}

// Error is why a call failed: a short text for people, a hint what to do, and what the server said, if it did.
type Error struct {
	Kind    Kind
	Server  string // the address, without secrets
	Text    string
	Hint    string // may be empty
	Status  int    // of HTTP; 0 without an answer
	Problem *wire.Problem
	Cause   error
	wait    time.Duration // until the server wants to be asked again, with status 429
}

// Error is one line: the server and the text.
func (e *Error) Error() string { return e.Server + ": " + e.Text }

// Unwrap returns the problem, or else the cause.
func (e *Error) Unwrap() error {
	if e.Problem != nil {
		return e.Problem
	}
	return e.Cause
}

func (c *Client) fail(kind Kind, cause error, hint, format string, arguments ...any) *Error {
	return &Error{Kind: kind, Server: c.address.String(), Text: fmt.Sprintf(format, arguments...), Hint: hint, Cause: cause}
}

// transportError explains an error of the connection.
func (c *Client) transportError(ctx context.Context, err error) error {
	var own *Error
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(ctx.Err(), context.Canceled):
		return c.fail(KindCanceled, err, "", "cancelled")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return c.fail(KindTimeout, err, "is the host up, and does a firewall drop the connection?", "no answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.fail(KindRefused, err, c.refusedHint(), "connection refused")
	case errors.Is(err, errLocal):
		return c.fail(KindUnreachable, err, "name the host in the inventory's own file, or allow local targets", "the address is one of this machine or link, which a discovered target may not have")
	case errors.As(err, &dns):
		return c.fail(KindUnreachable, err, "check the name in the address", "no address for the name %s", dns.Name)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return c.fail(KindUnreachable, err, "check address and routing", "no route to the host")
	case c.address.socket != "" && errors.Is(err, syscall.ENOENT):
		return c.fail(KindUnreachable, err, "is weir-probe running, and is this the path of its socket?", "no such socket")
	case c.address.socket != "" && errors.Is(err, syscall.EACCES):
		return c.fail(KindAuth, err, "run as root or as a member of the socket's group", "no permission to open the socket")
	}
	if e := c.tlsError(err); e != nil {
		return e
	}
	if strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return c.fail(KindTLS, err, "use http:// instead of https://, or switch TLS on at the server", "the server does not speak TLS")
	}
	if isReset(err) {
		return c.fail(KindProtocol, err, "", "the connection was closed before the answer was complete")
	}
	return c.fail(KindUnreachable, err, "", "%s", lastPart(err))
}

func (c *Client) refusedHint() string {
	if c.address.socket != "" {
		return "is weir-probe running?"
	}
	return "is weir-probe running on " + c.address.base.Hostname() + ", and does it listen on port " + c.port() + "?"
}

func (c *Client) port() string {
	if p := c.address.base.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[c.address.base.Scheme]
}

// tlsError explains why the two ends do not trust each other, nil if that is not it.
func (c *Client) tlsError(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &authority):
		return c.fail(KindTLS, err, "configure the CA that signed it", "the server's certificate is signed by an unknown authority")
	case errors.As(err, &name):
		return c.fail(KindTLS, err, "use a name of the certificate in the address, or set the server name", "the server's certificate is for another name: %v", name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return c.fail(KindTLS, err, "renew it, or check the clocks", "the server's certificate has expired or is not yet valid")
	case errors.As(err, &invalid):
		return c.fail(KindTLS, err, "", "the server's certificate is not valid: %v", invalid)
	case errors.As(err, &record):
		return c.fail(KindTLS, err, "use http:// instead of https://, or switch TLS on at the server", "the server does not speak TLS")
	case errors.As(err, &alert):
		return c.fail(KindTLS, err, "does the server ask for a client certificate?", "the server refuses the TLS connection: %v", alert)
	}
	return nil
}

// statusError explains an answer that is no success.
func (c *Client) statusError(status int, p *wire.Problem, body string) *Error {
	e := &Error{Server: c.address.String(), Status: status, Problem: p}
	said := body
	if p != nil {
		said = p.Error()
	}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind, e.Text, e.Hint = KindAuth, "the server asks for authentication", "configure a token, or check the one that is"
	case status == http.StatusForbidden:
		e.Kind, e.Text, e.Hint = KindAuth, "the server forbids this", "the token's role, or the network you call from, does not allow it"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		e.Kind, e.Text, e.Hint = KindProtocol, "the server does not know this part of the API", "is it a probe or gateway, and is the path of the address right?"
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		e.Kind, e.Text, e.Hint = KindServer, "the server is overloaded", "try again later"
	case status == http.StatusBadRequest && p != nil, status == http.StatusUnprocessableEntity, status == http.StatusRequestEntityTooLarge:
		e.Kind, e.Text = KindUser, "the query is refused"
	case status >= 500:
		e.Kind, e.Text = KindServer, fmt.Sprintf("the server failed with status %d", status)
	default:
		e.Kind, e.Text = KindProtocol, fmt.Sprintf("unexpected status %d", status)
	}
	if said != "" {
		e.Text += ": " + said
	}
	return e
}

// unanswered is an error before the first byte of an answer: the server has perhaps not even got the request.
type unanswered struct{ error }

func (u unanswered) Unwrap() error { return u.error }

// isUnanswered says that the connection ended before anything of an answer came. What was asked can be asked again
// then, since asking twice does the same as once; a server that breaks off in its answer would do so again.
func isUnanswered(err error) bool {
	var u unanswered
	return errors.As(err, &u) && isReset(err)
}

// isReset says that the connection ended under the request.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || isEOF(err)
}

// lastPart is the innermost cause, without the method and URL that net/http puts in front.
func lastPart(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
