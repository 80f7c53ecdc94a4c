package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/enrich"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/telemetry"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/probe/agent"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/config"
)

func runCommand(stderr io.Writer) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "run",
		Short: "capture and answer queries until SIGTERM",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			reload := func() (agent.Capture, error) {
				changed, err := config.Load(path)
				return changed.Capture, err
			}
			return run(c.Context(), cfg, reload, stderr)
		},
	}
	c.Flags().StringVar(&path, "config", config.DefaultPath, "configuration `FILE`")
	return c
}

// memoryTarget makes the collector give memory back before a small host feels it: a probe at rest holds a few MiB.
const memoryTarget = 50

func run(ctx context.Context, cfg config.Config, reload func() (agent.Capture, error), stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(memoryTarget)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + capture.SpareProcessors)
	}
	logger := cfg.Logger(stderr)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	link, err := connectNATS(cfg, logger)
	if err != nil {
		return err
	}
	deps := agent.Deps{Logger: logger, Registerer: registry, Reload: reload}
	if link != nil {
		defer link.Close()
		deps.NATS = link.Status
	}
	a, err := agent.New(cfg.Agent(), deps)
	if err != nil {
		return err
	}
	err = serveAndTrace(ctx, cfg, a, link, registry, logger)
	if closed := a.Close(); err == nil && closed != nil {
		return fmt.Errorf("close the store: %w", closed)
	}
	return err
}

// lastExport bounds the export of the spans that are left at the end.
const lastExport = 2 * time.Second

func serveAndTrace(ctx context.Context, cfg config.Config, a *agent.Agent, link *natshttp.Link, registry *prometheus.Registry, logger *slog.Logger) error {
	traces, err := telemetry.New(cfg.Tracing, telemetry.Deps{Logger: logger, Resource: a.Resource()})
	if err != nil {
		return err
	}
	err = serveAndCapture(ctx, cfg, a, link, registry, logger, traces)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastExport)
	defer cancel()
	if unsent := traces.Close(ending); unsent != nil {
		logger.Warn("the last traces were not exported", "error", unsent)
	}
	return err
}

// serveAndCapture ends when ctx does or when a part fails; the others are then ended, too. Capture is first to bring
// home what it saw, whatever requests are still running.
func serveAndCapture(ctx context.Context, cfg config.Config, a *agent.Agent, link *natshttp.Link, registry *prometheus.Registry, logger *slog.Logger, traces *telemetry.Telemetry) error {
	origins, err := origins(cfg.Enrich, logger)
	if err != nil {
		return err
	}
	server, err := serve.New(cfg.API, serve.Deps{
		Origins: origins, Querier: a, Logger: logger, Info: serve.Info{Name: "weir-probe", Version: version.String(), Abilities: a.Abilities()},
		Extra: a.Routes(), Registerer: registry, Gatherer: registry, RuntimeID: a.RuntimeID(), Traces: traces.Provider(),
	})
	if err != nil {
		return err
	}
	if err := server.Listen(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 3)
	go func() { done <- part(cancel, server.Run(ctx)) }()
	go func() { done <- part(cancel, a.Run(ctx)) }()
	go func() { done <- part(cancel, answerNATS(ctx, cfg, link, a, server.Remote(), registry, logger)) }()
	return errors.Join(<-done, <-done, <-done)
}

// origins are those of the files that the configuration names; nil without any, so that queries for them are refused.
func origins(cfg enrich.Config, logger *slog.Logger) (serve.Origins, error) {
	if !cfg.Enabled() {
		return nil, nil
	}
	return enrich.New(cfg, enrich.Deps{Logger: logger})
}

// part ends the others if this one failed.
func part(cancel context.CancelCauseFunc, err error) error {
	if err != nil {
		cancel(err)
	}
	return err
}
