package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirflow/weir/demo/fleet"
	"github.com/weirflow/weir/demo/host"
)

// dataSource is the fleet as the plugin's data source knows it.
func dataSource(f *fleet.Fleet) (host.DataSource, error) {
	type server struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	var servers []server
	for _, m := range f.Members() {
		servers = append(servers, server{m.Name, m.URL})
	}
	settings, err := json.Marshal(map[string]any{"servers": servers, "timeoutSeconds": 10, "tlsAuthWithCACert": true})
	if err != nil {
		return host.DataSource{}, err
	}
	return host.DataSource{UID: "weir", Name: "Weir", JSONData: settings,
		SecureJSONData: map[string]string{"token": f.Token(), "tlsCACert": f.CA()}}, nil
}

// explore serves the page until ctx ends, or with once until it is up.
func explore(ctx context.Context, o options, f *fleet.Fleet, logger *slog.Logger) error {
	source, err := dataSource(f)
	if err != nil {
		return err
	}
	cfg := host.DefaultConfig()
	cfg.PluginBinary, cfg.DistDir, cfg.PageDir, cfg.Listen, cfg.DataSource = o.plugin, o.dist, o.page, o.listen, source
	h, err := host.New(cfg, host.Deps{Logger: logger})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	health, err := healthy(ctx, h)
	if err != nil {
		cancel()
		return errors.Join(err, <-done)
	}
	fmt.Printf("\n▸ plugin: %s\n▸ explorer: %s\n", health, h.URL())
	if o.once {
		cancel()
		return <-done
	}
	fmt.Println("  Ctrl-C ends the demo")
	return <-done
}

// healthy asks what Grafana's "Save & test" asks.
func healthy(ctx context.Context, h *host.Host) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	result, err := h.Client().CheckHealth(ctx)
	if err != nil {
		return "", fmt.Errorf("check the plugin's health: %w", err)
	}
	return result.Message, nil
}
