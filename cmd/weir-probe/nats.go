package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/config"
)

// connectNATS begins to connect to the NATS servers of the configuration; without any there is no link.
func connectNATS(cfg config.Config, logger *slog.Logger) (*natshttp.Link, error) {
	if !cfg.NATS.Enabled() {
		return nil, nil
	}
	c, err := cfg.NATS.Config(os.ReadFile)
	if err != nil {
		return nil, err
	}
	c.Name = "weir-probe"
	return natshttp.Connect(c, natshttp.LinkDeps{Logger: logger})
}

// answerNATS answers over the link until ctx ends, if there is one.
func answerNATS(ctx context.Context, cfg config.Config, link *natshttp.Link, a *agent.Agent, h http.Handler, registry *prometheus.Registry, logger *slog.Logger) error {
	if link == nil {
		<-ctx.Done()
		return nil
	}
	host := a.Resource()
	responder, err := natshttp.NewResponder(natshttp.ResponderConfig{
		Address: natshttp.Address{Site: cfg.NATS.Site, Host: host.Host},
		Here:    natshttp.Announcement{ID: host.HostID, Labels: cfg.Host.Labels, Version: version.String()},
	}, natshttp.ResponderDeps{Link: link, Handler: h, Logger: logger})
	if err != nil {
		return err
	}
	if err := registry.Register(natshttp.Collector{Link: link, Responder: responder}); err != nil {
		return err
	}
	return responder.Run(ctx)
}
