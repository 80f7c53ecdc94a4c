package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"

	"github.com/weirflow/weir/pkg/resolve"
	"github.com/weirflow/weir/pkg/wire"
)

// readStored reads the request of --stored-query, bounded as a server bounds it.
func (v *queryVerb) readStored() error {
	if v.stored == "" {
		return nil
	}
	source := v.app.stdin
	if v.stored != "-" {
		file, err := os.Open(v.stored)
		if err != nil {
			return failure(fmt.Errorf("--stored-query: %w", err), "")
		}
		defer file.Close()
		source = file
	}
	text, err := io.ReadAll(io.LimitReader(source, wire.DefaultBodyLimit+1))
	switch {
	case err != nil:
		return failure(fmt.Errorf("--stored-query: read %s: %w", v.stored, err), "")
	case len(text) > wire.DefaultBodyLimit:
		return usage(fmt.Sprintf("--stored-query: %s is larger than %d bytes", v.stored, wire.DefaultBodyLimit), "")
	}
	v.flags.Stored = text
	return nil
}

// openLog opens the file of --query-log; without one, nothing is logged.
func (v *queryVerb) openLog() (closeLog func() error, err error) {
	v.log = slog.New(slog.DiscardHandler)
	if v.logFile == "" {
		return func() error { return nil }, nil
	}
	file, err := os.OpenFile(v.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, failure(fmt.Errorf("--query-log: %w", err), "")
	}
	v.log = slog.New(slog.NewJSONHandler(file, nil)).With("pid", os.Getpid())
	return func() error {
		if err := file.Close(); err != nil {
			return failure(fmt.Errorf("--query-log: %w", err), "")
		}
		return nil
	}, nil
}

// resolver is made when the first name is looked up.
func (a *app) resolver() (*resolve.Resolver, error) {
	if a.names == nil {
		var err error
		if a.names, err = resolve.New(resolve.DefaultConfig(), resolve.Deps{Dial: a.dialDNS}); err != nil {
			return nil, err
		}
	}
	return a.names, nil
}

// lookup finds the addresses of a host name in a condition.
func (a *app) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	r, err := a.resolver()
	if err != nil {
		return nil, err
	}
	return r.Addresses(ctx, name)
}

// named is the result with what was looked up for it here: the addresses of names in the condition, and names of
// addresses unless the server looked for them.
func (v *queryVerb) named(ctx context.Context, q *wire.Query, r *wire.Result) *wire.Result {
	shown := *r
	if len(q.Lookups) > 0 {
		shown.Query.Lookups = q.Lookups
	}
	addresses := q.Named(r)
	if len(addresses) == 0 || len(shown.Summary.Names) > 0 || shown.Summary.Timings.Resolution > 0 {
		return &shown
	}
	resolver, err := v.app.resolver()
	if err != nil {
		v.app.note("names are not looked up: %s", err)
		return &shown
	}
	ctx, cancel := context.WithTimeout(ctx, q.Request.LookupTime())
	defer cancel()
	defer v.app.progress(func() string { return fmt.Sprintf("looking up the names of %d addresses", len(addresses)) })()
	start := v.app.now()
	names, late := resolver.Names(ctx, addresses)
	shown.Summary.Names, shown.Summary.Timings.Resolution = names, v.app.now().Sub(start)
	if late > 0 && !errors.Is(ctx.Err(), context.Canceled) {
		v.app.note("%d of %d addresses were not looked up in time: raise --lookup-timeout, or look at the DNS server", late, len(addresses))
	}
	return &shown
}
