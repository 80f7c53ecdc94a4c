package serve

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connections watches those that never come to a request: what is refused before there is one has to be seen, too.
type connections struct {
	log  *slog.Logger
	rate *bucket  // of lines in the log: whoever opens connections must not fill a disk
	open sync.Map // *connection by net.Conn

	omitted atomic.Int64
}

// connection is an open one.
type connection struct {
	started time.Time
	active  atomic.Bool // something was read
	served  atomic.Bool // a request has come through
}

type connectionKey struct{}

func newConnections(log *slog.Logger) *connections {
	return &connections{log: log, rate: newBucket(1, 20)}
}

// begin is for http.Server.ConnContext.
func (c *connections) begin(ctx context.Context, conn net.Conn) context.Context {
	one := &connection{started: time.Now()}
	c.open.Store(conn, one)
	return context.WithValue(ctx, connectionKey{}, one)
}

// served notes that the connection of a request is an honest one.
func served(ctx context.Context) {
	if one, ok := ctx.Value(connectionKey{}).(*connection); ok {
		one.served.Store(true)
	}
}

// change is for http.Server.ConnState. A connection that sent something and no request in time was slow on purpose, or
// is no HTTP; one that sent nothing is a probe for an open port.
func (c *connections) change(conn net.Conn, state http.ConnState) {
	found, ok := c.open.Load(conn)
	if !ok {
		return
	}
	one := found.(*connection)
	switch state {
	case http.StateActive:
		one.active.Store(true)
	case http.StateHijacked:
		c.open.Delete(conn)
	case http.StateClosed:
		c.open.Delete(conn)
		if one.active.Load() && !one.served.Load() {
			c.refused("the connection ended without a request", conn.RemoteAddr().String(), time.Since(one.started))
		}
	}
}

// refused writes a line, unless there were too many.
func (c *connections) refused(reason, remote string, after time.Duration) {
	if c.rate.take(time.Now()) > 0 {
		c.omitted.Add(1)
		return
	}
	c.log.Warn("refused", "remote", remote, "reason", clip(reason), "after", after.Round(time.Millisecond), "lines_omitted", c.omitted.Swap(0))
}

// Write takes what net/http logs, above all failed TLS handshakes.
func (c *connections) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if rest, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		remote, reason, _ := strings.Cut(rest, ": ")
		c.refused("TLS: "+reason, remote, 0)
	} else {
		c.log.Debug("http", "message", clip(text))
	}
	return len(line), nil
}
