// Command weir-demo shows the whole line on one machine: three probes with live traffic, two of the questions that
// Weir is for answered in the terminal, and the explorer, a page with the real plugin in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weirflow/weir/demo/fleet"
)

type options struct {
	once                       bool
	mode, bin                  string
	plugin, dist, page, listen string
	interval                   time.Duration
	verbose                    bool
}

func main() {
	var o options
	flag.BoolVar(&o.once, "once", false, "end after the answers")
	flag.StringVar(&o.mode, "mode", string(fleet.Auto), "where to capture: auto, namespaces, interfaces or traces")
	flag.StringVar(&o.bin, "bin", "bin", "`DIR`ectory of weir-probe and weir")
	flag.StringVar(&o.plugin, "plugin", "", "the plugin's backend; without it there is no explorer")
	flag.StringVar(&o.dist, "dist", "dist", "`DIR`ectory of module.js")
	flag.StringVar(&o.page, "page", "demo/explorer/dist", "`DIR`ectory of the explorer page")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` of the explorer; port 0 takes a free one")
	flag.DurationVar(&o.interval, "interval", 10*time.Second, "length of the probes' intervals")
	flag.BoolVar(&o.verbose, "verbose", false, "log what traffic and plugin do")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := demo(ctx, o)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "weir-demo:", err)
		os.Exit(1)
	}
}

// demo leaves nothing behind, however it ends.
func demo(ctx context.Context, o options) (err error) {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	fmt.Println("▸ starting a fleet of three probes")
	f, err := fleet.New(fleet.Config{Probe: filepath.Join(o.bin, "weir-probe"), Mode: fleet.Mode(o.mode), Interval: o.interval, Logger: logger})
	if err != nil {
		return err
	}
	defer func() {
		fmt.Println("▸ cleaning up")
		err = errors.Join(err, f.Close())
	}()
	if err := f.Start(); err != nil {
		return err
	}
	describe(f)
	if err := answers(ctx, o, f); err != nil {
		return err
	}
	if o.plugin == "" {
		if !o.once {
			<-ctx.Done()
		}
		return nil
	}
	return explore(ctx, o, f, logger)
}

// describe says where the probes capture and who talks.
func describe(f *fleet.Fleet) {
	mode, why := f.Mode()
	switch mode {
	case fleet.Namespaces:
		fmt.Println("  capture: live, on veth pairs in network namespaces of their own")
	case fleet.Interfaces:
		fmt.Println("  capture: live, on this machine's loopback interface")
	case fleet.Traces:
		fmt.Println("  capture: none; the probes answer over replayed traces")
	}
	if why != "" {
		fmt.Printf("  (not possible here: %s)\n", why)
	}
	p := f.Plan()
	for _, h := range []struct{ name, v4, v6, does string }{
		{p.Workstation.Name, p.Workstation.IPv4.String(), p.Workstation.IPv6.String(), "fetches pages, asks names, logs in, pings"},
		{p.Web.Name, p.Web.IPv4.String(), p.Web.IPv6.String(), fmt.Sprintf("serves HTTP on port %d", p.Ports.HTTP)},
		{p.Services.Name, p.Services.IPv4.String(), p.Services.IPv6.String(),
			fmt.Sprintf("serves DNS on %d and a shell on %d, fetches a backup", p.Ports.DNS, p.Ports.SSH)},
	} {
		fmt.Printf("  %-12s %-12s %-14s %s\n", h.name, h.v4, h.v6, h.does)
	}
	for _, m := range f.Members() {
		fmt.Printf("  probe of %-12s %s\n", m.Name, m.URL)
	}
}
