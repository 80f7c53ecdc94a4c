package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// ServerKind is what stands behind an address.
type ServerKind string

// The kinds of servers.
const (
	ServerProbe       ServerKind = "probe"
	ServerGateway     ServerKind = "gateway"
	ServerGoProbe     ServerKind = "goprobe"      // a goProbe v4 sensor
	ServerGlobalQuery ServerKind = "global_query" // goProbe's gateway
)

// Extended says whether the server knows the extensions of the contract.
func (k ServerKind) Extended() bool { return k == ServerProbe || k == ServerGateway }

// Info is who the server says it is.
type Info struct {
	Name    string     `json:"name"`
	Version string     `json:"version"`
	Commit  string     `json:"commit,omitempty"`
	Kind    ServerKind `json:"-"`
	wire.Abilities
}

// Probe asks for a sign of life, which costs the server next to nothing.
func (c *Client) Probe(ctx context.Context) error {
	_, err := c.Info(ctx)
	return err
}

// infoAge is how long the kind of a server is believed.
const infoAge = 5 * time.Minute

// Info asks who the server is.
func (c *Client) Info(ctx context.Context) (*Info, error) {
	var info Info
	if err := c.call(ctx, http.MethodGet, "/-/info", nil, nil, &info); err != nil {
		return nil, err
	}
	switch name := strings.ToLower(info.Name); {
	case name == "weir-gateway":
		info.Kind = ServerGateway
	case strings.HasPrefix(name, "weir"):
		info.Kind = ServerProbe
	case name == "global_query":
		info.Kind = ServerGlobalQuery
	case name == "goprobe":
		info.Kind = ServerGoProbe
	default:
		return nil, c.fail(KindProtocol, nil, "is this the address of a probe or gateway?", "an unknown kind of server answers: %q", firstLine(info.Name))
	}
	if !info.Kind.Extended() {
		info.Abilities = wire.Abilities{Interval: v4Interval}
	}
	c.mu.Lock()
	c.info, c.detected = &info, c.deps.Now()
	c.mu.Unlock()
	return &info, nil
}

// known is Info, remembered for a while. After a query was refused it is asked for again.
func (c *Client) known(ctx context.Context) (*Info, error) {
	c.mu.Lock()
	known := c.info != nil && c.deps.Now().Sub(c.detected) < infoAge
	info := c.info
	c.mu.Unlock()
	if known {
		return info, nil
	}
	return c.Info(ctx)
}

func (c *Client) kind(ctx context.Context) (ServerKind, error) {
	info, err := c.known(ctx)
	if err != nil {
		return "", err
	}
	return info.Kind, nil
}

// Abilities are what the server says it can do, remembered for a while.
func (c *Client) Abilities(ctx context.Context) (wire.Abilities, error) {
	info, err := c.known(ctx)
	if err != nil {
		return wire.Abilities{}, err
	}
	return info.Abilities, nil
}

// forget makes the next query ask again for the server's kind: another program may have taken its place.
func (c *Client) forget() {
	c.mu.Lock()
	c.info = nil
	c.mu.Unlock()
}

// Query asks a question. Of a goProbe v4 server, which knows no extensions, it asks a simpler one and does the rest
// here; see v4.go. The result is the caller's.
func (c *Client) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	kind, err := c.kind(ctx)
	if err != nil {
		return nil, err
	}
	if !kind.Extended() {
		return c.queryV4(ctx, r, kind)
	}
	result, err := c.post(ctx, r)
	var e *Error
	if errors.As(err, &e) && (e.Kind == KindUser || e.Kind == KindProtocol) {
		c.forget()
	}
	return result, err
}

func (c *Client) post(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	result := new(wire.Result)
	out := any(result)
	if r.NumResults >= manyRows {
		out = (*largeResult)(result)
	}
	if err := c.call(ctx, http.MethodPost, "/_query", nil, r, out); err != nil {
		return nil, err
	}
	if result.Status.Code == "missing_data" { // as goProbe's own schema spells it
		result.Status.Code = wire.CodeMissingData
	}
	return result, nil
}

// Validate asks whether the server would answer a question; nil if so.
func (c *Client) Validate(ctx context.Context, r *wire.Request) error {
	kind, err := c.kind(ctx)
	if err != nil {
		return err
	}
	if !kind.Extended() {
		q, err := prepareV4(r, c.deps.Now())
		if err != nil {
			return c.userError(err)
		}
		r = requestV4(r, q, kind, c.deps.Now())
		r.Format = "json"
		if r.QueryHosts == "" {
			r.QueryHosts = "any" // sensors ask for it too
		}
	}
	return c.call(ctx, http.MethodPost, "/_query/validate", nil, r, nil)
}

// userError is a problem that was found on this side.
func (c *Client) userError(err error) error {
	var p *wire.Problem
	if !errors.As(err, &p) {
		return err
	}
	return c.statusError(p.Status, p, "")
}

// Catalog asks what can be asked. goProbe v4 servers have none: what can be known of them is put together here.
func (c *Client) Catalog(ctx context.Context) (*wire.Catalog, error) {
	kind, err := c.kind(ctx)
	if err != nil {
		return nil, err
	}
	if !kind.Extended() {
		return c.catalogV4(ctx, kind)
	}
	catalog := new(wire.Catalog)
	if err := c.call(ctx, http.MethodGet, "/_catalog", nil, nil, catalog); err != nil {
		return nil, err
	}
	return catalog, nil
}

// Status is the answer of GET /status, of all or of some interfaces, as it came; nil if the server has nothing to
// say of them.
func (c *Client) Status(ctx context.Context, ifaces ...string) (json.RawMessage, error) {
	query := url.Values{}
	if len(ifaces) > 0 {
		query.Set("ifaces", strings.Join(ifaces, ","))
	}
	var status json.RawMessage
	if err := c.call(ctx, http.MethodGet, "/status", query, nil, &status); err != nil {
		return nil, err
	}
	return status, nil
}
