package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/gateway"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/natsserver"
	"github.com/weirflow/weir/pkg/serve"
)

// besideGateway is what a gateway may have beside it: a cache, NATS, and a NATS server of its own.
type besideGateway struct {
	discoveries []*natshttp.Discovery
	collectors  []prometheus.Collector
	closers     []func() // in the order of opening
}

// beside opens what the configuration asks for and puts it into the gateway's deps.
func (v *gatewayVerb) beside(cfg gateway.Config, deps *gateway.Deps) (_ *besideGateway, err error) {
	b := new(besideGateway)
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	cache, err := fleet.NewCache(cfg.Cache, fleet.CacheDeps{Now: deps.Now, Role: func(ctx context.Context) string { return string(serve.CallerRole(ctx)) }})
	if err != nil {
		return nil, err
	}
	b.collectors = append(b.collectors, cache)
	deps.Wrap = func(_ string, c fleet.Client) fleet.Client { return cache.Client(c) }
	link, err := b.connect(cfg, deps)
	switch {
	case err != nil:
		return b, err
	case link == nil && len(cfg.Inventory.NATS) > 0:
		return b, errors.New("inventory.nats needs nats.servers, nats_server.listen or --nats-embedded")
	case link == nil:
		return b, nil
	}
	b.collectors = append(b.collectors, natshttp.Collector{Link: link})
	tripper, err := natshttp.NewRoundTripper(natshttp.AskerConfig{}, link)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() { _ = tripper.Close() }) // without a connection there is nobody to tell
	deps.Transport = tripper
	b.discoveries, deps.Sources = cfg.Discoveries(link)
	return b, nil
}

// connect gives the link to the NATS servers of the configuration, or to one that is started here; nil: to none.
func (b *besideGateway) connect(cfg gateway.Config, deps *gateway.Deps) (*natshttp.Link, error) {
	var settings natshttp.Config
	linkDeps := natshttp.LinkDeps{Logger: deps.Logger}
	switch {
	case cfg.NATSServer.Enabled():
		server, err := natsserver.Start(cfg.NATSServer, natsserver.Deps{Logger: deps.Logger, ReadFile: os.ReadFile})
		if err != nil {
			return nil, err
		}
		b.closers = append(b.closers, server.Close)
		settings, linkDeps.InProcess = server.Config(), server
	case cfg.NATS.Enabled():
		var err error
		if settings, err = cfg.NATS.Config(os.ReadFile); err != nil {
			return nil, err
		}
		settings.Name = "weir-gateway"
	default:
		return nil, nil
	}
	link, err := natshttp.Connect(settings, linkDeps)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, link.Close)
	return link, nil
}

// run keeps the discoveries up to date until ctx ends or one of them fails.
func (b *besideGateway) run(ctx context.Context) error {
	failed := make(chan error, len(b.discoveries))
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, d := range b.discoveries {
		running.Go(func() {
			if err := d.Run(ctx); err != nil {
				failed <- err
			}
		})
	}
	defer running.Wait()
	defer cancel()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done(): // by a signal, whose name is not an error
		return nil
	}
}

// close ends everything, the last first.
func (b *besideGateway) close() {
	for i := range b.closers {
		b.closers[len(b.closers)-1-i]()
	}
}
