package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/pflag"

	"github.com/weirflow/weir/probe/store"
)

// place is where to ask, of verbs that read either a store or servers.
type place struct {
	directory string
	servers   []string
}

func (p *place) register(set *pflag.FlagSet) {
	set.StringVarP(&p.directory, "db", "d", "", "read the store in `DIR`")
	set.StringArrayVar(&p.servers, "server", nil, "ask the server at `ADDR`: host:8145, https://host:8145, unix:/path; repeat it to ask several, also as NAME=ADDR")
}

// choose runs one of the two: over what is named, else the probe of this machine, else its store.
func (a *app) choose(ctx context.Context, p place, local func(context.Context, string) error, remote func(context.Context, []string) error) error {
	switch socket, ok := a.localSocket(); {
	case p.directory != "" && len(p.servers) > 0:
		return usage("-d and --server exclude each other: a store is read here, a server is asked", "")
	case p.directory != "":
		return local(ctx, p.directory)
	case len(p.servers) > 0:
		return remote(ctx, p.servers)
	case ok:
		err := remote(ctx, []string{socket})
		if !unreachable(err) || !isStore(a.directory) {
			return err
		}
		a.note("no probe answers at %s, so that its store is read", socket)
	case !isStore(a.directory):
		return failure(fmt.Errorf("nothing to ask: there is neither a probe's socket at %s nor a store in %s", a.socket, a.directory),
			"start weir-probe, or name a store with -d DIR or a server with --server ADDR")
	}
	return local(ctx, a.directory)
}

// unopened says why the store of a directory was not opened, and what to do; or names what else may be there.
func (a *app) unopened(err error, directory, or string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failure(fmt.Errorf("no store in %s", directory), "name the directory that weir-probe writes to, by default "+a.directory+or)
	case errors.Is(err, fs.ErrPermission):
		return failure(err, "run as root or as a member of the store's group")
	}
	return err
}

// openStore opens a store for reading.
func (a *app) openStore(directory string) (*store.Store, error) {
	s, err := store.Open(store.Config{Path: directory, ReadOnly: true}, store.Deps{})
	if err != nil {
		return nil, a.unopened(err, directory, "")
	}
	return s, nil
}
