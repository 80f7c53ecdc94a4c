package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/meter"
	"github.com/weirflow/weir/probe/store"
)

type replayOptions struct {
	db, iface string
	interval  time.Duration
	local     []string
}

func replayCommand(stderr io.Writer) *cobra.Command {
	var o replayOptions
	c := &cobra.Command{
		Use:   "replay --db DIR FILE...",
		Short: "meter pcap and pcapng traces into a store, with the packets' own time",
		Long: `replay runs what the probe runs live over traces (pcap or pcapng, plain or .gz). The time of an interval is that of
its packets. Direction is taken from the trace where it says (Linux cooked captures), else from --local, else all
packets count as received. A damaged trace is metered up to the damage, and the exit code is 1.`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return usageError{errors.New("replay needs at least one trace file")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, files []string) error {
			return replay(c.Context(), o, files, c.OutOrStdout(), stderr)
		},
	}
	c.Flags().StringVar(&o.db, "db", "", "store `DIR`ectory; made if it is absent")
	c.Flags().StringVar(&o.iface, "iface", "replay", "the interface's `NAME` in the store")
	c.Flags().DurationVar(&o.interval, "interval", meter.DefaultConfig().Interval, "length of an interval")
	c.Flags().StringSliceVar(&o.local, "local", nil, "`CIDR`s of the capturing side: packets from there count as sent")
	return c
}

func replay(ctx context.Context, o replayOptions, files []string, stdout, stderr io.Writer) error {
	if o.db == "" {
		return usageError{errors.New("replay needs --db DIR, the store to write to")}
	}
	var local []netip.Prefix
	for _, text := range o.local {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return usageError{fmt.Errorf("--local %q is no address prefix such as 192.0.2.0/24", text)}
		}
		local = append(local, prefix)
	}
	db, err := store.Open(store.Config{Path: o.db}, store.Deps{})
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var faults []error
	for _, file := range files {
		m, err := newReplay(o, file, local, db, logger)
		if err == nil {
			err = m.Run(ctx)
			report(stdout, file, m.Status().Total)
		}
		if err != nil {
			faults = append(faults, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(faults, db.Close())...)
}

// newReplay opens a trace and gives it to a meter, which closes it when it has run.
func newReplay(o replayOptions, file string, local []netip.Prefix, db *store.Store, logger *slog.Logger) (*meter.Meter, error) {
	source, err := capture.OpenTrace(file, capture.TraceOptions{Local: local})
	if err != nil {
		return nil, err
	}
	cfg := meter.DefaultConfig()
	cfg.Interface, cfg.Interval, cfg.Checkpoint, cfg.Trace = o.iface, o.interval, 0, true
	deps := meter.Deps{Source: source, Sink: db, Logger: logger}
	if _, err := rand.Read(deps.Boot[:]); err != nil {
		return nil, errors.Join(fmt.Errorf("make a boot id: %w", err), source.Close())
	}
	m, err := meter.New(cfg, deps)
	if err != nil {
		return nil, errors.Join(usageError{err}, source.Close())
	}
	return m, nil
}

// report prints one line a trace: what was read, what was metered, and why the rest was not.
func report(w io.Writer, file string, a flow.Accounting) {
	fmt.Fprintf(w, "%s: %d packets, %d metered", file, a.Received, a.Metered)
	for i := flow.IssueNone + 1; i < flow.IssueCount; i++ {
		if a.Issues[i] > 0 {
			fmt.Fprintf(w, ", %d %s", a.Issues[i], i)
		}
	}
	fmt.Fprintln(w)
}
