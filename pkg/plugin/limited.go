package plugin

import (
	"context"
	"fmt"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/wire"
)

// limited asks a server at most so many things at once, whoever asks: a dashboard that opens with twenty panels is no
// reason to fill all its places. Who has to wait does so within the deadline.
type limited struct {
	serverClient
	slots chan struct{}
}

func limit(c serverClient, atOnce int) serverClient {
	l := limited{c, make(chan struct{}, max(atOnce, 1))}
	if a, ok := c.(able); ok {
		return limitedAble{l, a}
	}
	return l
}

// able is a client that knows more of its server, as *client.Client does: what a fleet asks for where it is offered.
type able interface {
	uploader
	fleet.Abler
	fleet.Prober
}

type limitedAble struct {
	limited
	able able
}

func (l limited) enter(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the end of %d other queries of this Grafana to the server: %w", cap(l.slots), ctx.Err())
	}
}

func (l limited) leave() { <-l.slots }

func (l limited) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.serverClient.Query(ctx, r)
}

func (l limited) Catalog(ctx context.Context) (*wire.Catalog, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.serverClient.Catalog(ctx)
}

func (l limited) Info(ctx context.Context) (*client.Info, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.serverClient.Info(ctx)
}

// Upload gives the server a list of addresses.
func (l limitedAble) Upload(ctx context.Context, list *actors.List) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return l.able.Upload(ctx, list)
}

// Abilities are remembered by the client: they cost the server next to nothing.
func (l limitedAble) Abilities(ctx context.Context) (wire.Abilities, error) {
	return l.able.Abilities(ctx)
}

// Probe finds out whether the server is back; a host that hangs has no place for it.
func (l limitedAble) Probe(ctx context.Context) error { return l.able.Probe(ctx) }

// cachedServer answers questions about days that are over from memory, where the server says that nothing changed. An
// answer that is kept takes no place at the server.
type cachedServer struct {
	limitedAble
	kept fleet.Client
}

// cached puts the cache in front of a server that can be cached.
func cached(c serverClient, cache *fleet.Cache) serverClient {
	l, ok := c.(limitedAble)
	if !ok || cache == nil {
		return c
	}
	return cachedServer{l, cache.Client(l)}
}

func (c cachedServer) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	return c.kept.Query(ctx, r)
}
