package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/configfile"
	"github.com/weirflow/weir/pkg/enrich"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/gateway"
	"github.com/weirflow/weir/pkg/natsserver"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/telemetry"
	"github.com/weirflow/weir/pkg/version"
)

// gatewayVerb is one run of weir gateway.
type gatewayVerb struct {
	app            *app
	path           string
	check, example bool
	embedded       bool // a NATS server
}

func (a *app) gatewayCommand() *cobra.Command {
	v := &gatewayVerb{app: a}
	command := &cobra.Command{
		Use:   "gateway [--config FILE]",
		Short: "Answer queries over all hosts of an inventory",
		Long: `Serve the API of a probe over a whole fleet, until SIGTERM. The inventory is a list in the configuration, files,
Prometheus's service discovery or the DNS; gateways may be hosts of gateways. On SIGHUP, and when the file
changes, the configuration is read again; one that is not valid changes nothing.
Start with: weir gateway --example-config > ` + gateway.DefaultPath,
		Example: `  weir gateway --config /etc/weir/gateway.yaml
  weir gateway --config /etc/weir/gateway.yaml --check
  weir query sip,dip --server gateway:8145 --hosts 'site=fra,company=acme'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return v.run(command.Context()) },
	}
	command.Flags().StringVar(&v.path, "config", gateway.DefaultPath, "configuration `FILE`")
	command.Flags().BoolVar(&v.embedded, "nats-embedded", false, "run a NATS server, too, as nats_server says, for hosts that connect to it")
	command.Flags().BoolVar(&v.check, "check", false, "say whether the configuration is valid, and do nothing")
	command.Flags().BoolVar(&v.example, "example-config", false, "write a configuration with every key, and do nothing")
	completes(command, nil, map[string]completer{})
	return command
}

func (v *gatewayVerb) run(ctx context.Context) error {
	if v.example {
		_, err := io.WriteString(v.app.stdout, gateway.Example())
		return err
	}
	cfg, err := v.load()
	switch {
	case err != nil:
		return err
	case v.check:
		return v.checked(cfg)
	}
	logger := cfg.Logger(v.app.stderr)
	deps := gateway.Deps{Logger: logger, ReadFile: readFile, Load: v.load, Files: []string{v.path}, Now: v.app.now}
	beside, err := v.beside(cfg, &deps)
	if err != nil {
		return failure(err, "")
	}
	defer beside.close()
	g, err := gateway.New(cfg, deps)
	if err != nil {
		return failure(err, "")
	}
	traces, err := telemetry.New(cfg.Tracing, telemetry.Deps{Logger: logger, Resource: telemetry.Resource{Service: "weir-gateway", Version: version.String(), HostID: g.RuntimeID()}})
	if err != nil {
		return failure(err, "")
	}
	err = v.serve(ctx, cfg, g, beside, traces)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastExport)
	defer cancel()
	if unsent := traces.Close(ending); unsent != nil {
		logger.Warn("the last traces were not exported", "error", unsent)
	}
	if err != nil {
		return failure(err, "")
	}
	return nil
}

// lastExport bounds the export of the spans that are left at the end.
const lastExport = 2 * time.Second

// serve runs gateway and server until ctx ends or one of them fails. The server listens when the inventory was read.
func (v *gatewayVerb) serve(ctx context.Context, cfg gateway.Config, g *gateway.Gateway, beside *besideGateway, traces *telemetry.Telemetry) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), g.Collector())
	registry.MustRegister(beside.collectors...)
	origins, err := v.origins(cfg)
	if err != nil {
		return err
	}
	server, err := serve.New(cfg.API, serve.Deps{
		Origins: origins, Querier: g, Logger: cfg.Logger(v.app.stderr), Info: serve.Info{Name: "weir-gateway", Version: version.String(), Abilities: fleet.Abilities()}, Extra: g.Routes(),
		Registerer: registry, Gatherer: registry, Lists: g.Lists(), RuntimeID: g.RuntimeID(), Traces: traces.Provider(), Now: v.app.now,
	})
	if err != nil {
		return err
	}
	if err := server.Listen(ctx); err != nil {
		return err
	}
	g.Follow(server)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 3)
	end := func(err error) {
		if err != nil {
			cancel(err)
		}
		done <- err
	}
	ready := make(chan struct{})
	go func() { end(beside.run(ctx)) }()
	go func() { end(g.Run(ctx, func() { close(ready) })) }()
	go func() {
		select {
		case <-ready:
		case <-ctx.Done():
		}
		end(server.Run(ctx))
	}()
	v.reloads(ctx, g)
	return errors.Join(<-done, <-done, <-done)
}

// checked says of a configuration that it is valid, if the gateway would start with it. Files that it would do without
// are named in notes.
func (v *gatewayVerb) checked(cfg gateway.Config) error {
	if _, err := v.origins(cfg); err != nil {
		return failure(err, "")
	}
	files := slices.Clone(cfg.Inventory.Files)
	for _, f := range cfg.Inventory.FileSD {
		files = append(files, f.Path)
	}
	for _, l := range cfg.Lists {
		files = append(files, l.Path)
	}
	for _, c := range cfg.Auth {
		for _, path := range []string{c.TokenFile, c.CAFile, c.CertificateFile, c.KeyFile} {
			if path != "" {
				files = append(files, path)
			}
		}
	}
	for _, path := range files {
		if !strings.ContainsAny(path, "*?[") { // a pattern may match nothing
			if _, err := os.Stat(path); err != nil {
				v.app.note("%v", err)
			}
		}
	}
	_, err := fmt.Fprintf(v.app.stdout, "%s is valid\n", v.path)
	return err
}

// origins are those of the files that the configuration names; nil without any, so that queries for them are refused.
func (v *gatewayVerb) origins(cfg gateway.Config) (serve.Origins, error) {
	if !cfg.Enrich.Enabled() {
		return nil, nil
	}
	return enrich.New(cfg.Enrich, enrich.Deps{Logger: cfg.Logger(v.app.stderr), Now: v.app.now})
}

// reloads follows SIGHUP until ctx ends.
func (v *gatewayVerb) reloads(ctx context.Context, g *gateway.Gateway) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-hangup:
				_, _ = g.Reload(ctx) // it is logged and shown in the status
			case <-ctx.Done():
				return
			}
		}
	}()
}

// load reads the configuration.
func (v *gatewayVerb) load() (gateway.Config, error) {
	text, err := readFile(v.path, configfile.MaxSize+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gateway.Config{}, failure(err, "weir gateway --example-config prints one")
	case err != nil:
		return gateway.Config{}, failure(err, "")
	case len(text) > configfile.MaxSize:
		return gateway.Config{}, failure(fmt.Errorf("configuration %s: longer than %d bytes: is it the right file?", v.path, configfile.MaxSize), "")
	}
	cfg, err := gateway.Parse(text)
	if err == nil && v.embedded && !cfg.NATSServer.Enabled() {
		cfg.NATSServer.Listen = natsserver.DefaultListen
		err = cfg.Validate()
	}
	if err != nil {
		return gateway.Config{}, failure(fmt.Errorf("configuration %s: %w", v.path, err), "")
	}
	return cfg, nil
}

// readFile reads at most so many bytes of a file.
func readFile(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}
