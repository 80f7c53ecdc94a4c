package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/wire"
)

// readLists reads the files of --list. A list that does not hold anything, or that was hardly read, is refused: the
// query would find nothing, whatever happened.
func (v *queryVerb) readLists() error {
	v.known = make(map[string]*actors.List, len(v.lists))
	for _, text := range v.lists {
		name, path, found := strings.Cut(text, "=")
		name = strings.TrimPrefix(name, "@")
		switch {
		case !found || path == "":
			return usage(fmt.Sprintf("--list %s: no file is named", text), "--list NAME=FILE, then -c 'host in @NAME'")
		case filter.TouchingList(name) == nil:
			return usage(fmt.Sprintf("--list %s: the name of a list is made of up to 64 letters, digits, dots, dashes and underscores", text), "")
		case v.known[name] != nil:
			return usage(fmt.Sprintf("--list: @%s is named twice", name), "")
		}
		list, err := readList(path)
		if err != nil {
			return failure(fmt.Errorf("--list @%s: %w", name, err), "weir actors check "+path+" says more")
		}
		if h := list.Health(); h.FaultCount > 0 {
			v.app.note("@%s: %s of %s could not be read: weir actors check %s says which", name, plural(uint64(h.FaultCount), "line"), path, path)
		}
		v.known[name] = list
	}
	return nil
}

func readList(path string) (*actors.List, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, actors.MaxBytes+1)) // Parse refuses what is longer
	if err != nil {
		return nil, err
	}
	list, err := actors.Parse(text, "")
	if err == nil && list.Health().State == actors.StateAlarm {
		err = errors.New("most of its lines could not be read")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// findList finds the lists of --list. Others are a server's, if one is asked.
func (v *queryVerb) findList(remote bool) func(name string) (filter.Set, error) {
	return func(name string) (filter.Set, error) {
		if list := v.known[name]; list != nil {
			return list, nil
		}
		if remote {
			return wire.ListElsewhere(name)
		}
		return nil, errors.New("there is no such list: name its file with --list " + name + "=FILE")
	}
}

// byHash is how a server knows a list.
func (v *queryVerb) byHash(name string) string {
	if list := v.known[strings.TrimPrefix(name, "@")]; list != nil {
		return list.Hash()
	}
	return name
}

// sendByHash puts hashes for the names that only this command knows.
func (v *queryVerb) sendByHash(request *wire.Request) error {
	if len(v.known) == 0 {
		return nil
	}
	if request.Actors != nil && request.Actors.List != "" {
		set := *request.Actors
		set.List = v.byHash(set.List)
		request.Actors = &set
	}
	condition, err := filter.Parse(request.Condition)
	if err != nil || condition == nil || len(condition.Lists()) == 0 {
		return err
	}
	condition, err = condition.RenameLists(func(name string) (string, error) { return v.byHash(name), nil })
	if err != nil {
		return err
	}
	request.Condition = condition.String()
	return nil
}

// upload gives a server the lists.
func (v *queryVerb) upload(ctx context.Context, server *client.Client) error {
	for name, list := range v.known {
		if err := server.Upload(ctx, list); err != nil {
			return fmt.Errorf("list @%s: %w", name, err)
		}
	}
	return nil
}
