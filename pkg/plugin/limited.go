package plugin

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// limited asks a server at most so many things at once, whoever asks: a dashboard that opens with twenty panels is no
// reason to fill all its places. Who has to wait does so within the deadline.
type limited struct {
	serverClient
	slots chan struct{}
}

func limit(c serverClient, atOnce int) serverClient {
	return limited{c, make(chan struct{}, max(atOnce, 1))}
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

// Upload gives the server a list of addresses, if it takes any.
func (l limited) Upload(ctx context.Context, list *actors.List) error {
	u, ok := l.serverClient.(uploader)
	if !ok {
		return errors.New("the server takes no lists")
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return u.Upload(ctx, list)
}

func (l limited) Info(ctx context.Context) (*client.Info, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.serverClient.Info(ctx)
}
