package main

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// completionTime is how long a key press may take: a server that is slower does not help with names.
const completionTime = time.Second

// known is what the place at hand has, as far as it says so in time. Nothing here is an error: less is proposed then.
func (a *app) known(p place, c *connection) (k filter.Known) {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	quiet := *a
	quiet.stderr = io.Discard
	_ = quiet.choose(ctx, p, func(_ context.Context, directory string) error {
		s, err := a.openStore(directory)
		if err != nil {
			return err
		}
		defer s.Close() //nolint:errcheck // it was only read
		k.HostIDs = []string{s.HostID()}
		k.Interfaces, err = s.Interfaces()
		return err
	}, func(ctx context.Context, servers []string) (first error) {
		for _, text := range servers {
			name, address := named(text)
			catalog, err := a.catalog(ctx, c, address)
			if err != nil {
				first = cmp.Or(first, err)
				continue
			}
			learn(&k, catalog, name)
		}
		return first
	})
	return k
}

func (a *app) catalog(ctx context.Context, c *connection, address string) (*wire.Catalog, error) {
	server, err := a.dial(c, address)
	if err != nil {
		return nil, err
	}
	defer server.Close() //nolint:errcheck // closes idle connections
	return server.Catalog(ctx)
}

// learn adds a catalog to what is known.
func learn(k *filter.Known, catalog *wire.Catalog, name string) {
	add := func(list *[]string, value string) {
		if value != "" && !slices.Contains(*list, value) {
			*list = append(*list, value)
		}
	}
	add(&k.Hosts, cmp.Or(name, catalog.Host))
	add(&k.HostIDs, catalog.HostID)
	for _, i := range catalog.Interfaces {
		add(&k.Interfaces, i.Name)
	}
	if k.Labels == nil {
		k.Labels = make(map[string][]string)
	}
	label := func(labels map[string]string) {
		for key, value := range labels {
			values := k.Labels[key]
			add(&values, value)
			k.Labels[key] = values
		}
	}
	label(catalog.Labels)
	for _, h := range catalog.Hosts {
		add(&k.Hosts, h.Name)
		add(&k.HostIDs, h.ID)
		label(h.Labels)
	}
}

// completer is cobra's function for arguments and flags.
type completer = cobra.CompletionFunc

const (
	completeWord = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	completePart = completeWord | cobra.ShellCompDirectiveNoSpace
)

// conditions completes within a condition.
func conditions(known func() filter.Known) completer {
	return func(_ *cobra.Command, _ []string, text string) (list []string, _ cobra.ShellCompDirective) {
		for _, c := range filter.Complete(text, len(text), known()) {
			list = append(list, cobra.CompletionWithDesc(text[:c.Offset]+c.Text, c.Description))
		}
		return list, completePart
	}
}

// lists completes the last item of a list whose other items stay: with candidates(what is typed of it), of which
// those that the list has are left out.
func lists(candidates func(typed string) []completion) completer {
	return func(_ *cobra.Command, _ []string, text string) (list []string, _ cobra.ShellCompDirective) {
		start := strings.LastIndex(text, ",") + 1
		items := strings.Split(text[:start], ",")
		for _, c := range candidates(text[start:]) {
			if strings.HasPrefix(c.text, text[start:]) && !slices.Contains(items, c.text) {
				list = append(list, cobra.CompletionWithDesc(text[:start]+c.text, c.description))
			}
		}
		return list, completePart
	}
}

// attributes are what can be grouped by; aliases only once one is begun, labels of hosts once their word is.
func attributes(known func() filter.Known) func(string) []completion {
	return func(typed string) []completion {
		list := fieldNames(typed)
		if begun := strings.ToLower(typed); begun == "" || !strings.HasPrefix("label.", begun) && !strings.HasPrefix(begun, "label.") {
			return list
		}
		labels := known().Labels
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			f := flow.LabelField(name)
			list = append(list, completion{f.Name, f.Description})
		}
		return list
	}
}

func fieldNames(typed string) (list []completion) {
	for _, f := range flow.Fields() {
		if !f.Query {
			continue
		}
		list = append(list, completion{f.Name, f.Description})
		for _, alias := range f.Aliases {
			if typed != "" {
				list = append(list, completion{alias, f.Description})
			}
		}
	}
	for _, s := range flow.Shorthands() {
		list = append(list, completion{s.Name, strings.Join(s.Fields, ",")})
	}
	return list
}

// interfaces are any and the names there are, with an exclamation mark where one is typed.
func interfaces(known func() filter.Known) func(string) []completion {
	return func(typed string) []completion {
		list := []completion{{"any", "all interfaces"}}
		not := ""
		if strings.HasPrefix(typed, "!") {
			list, not = nil, "!"
		}
		for _, name := range known().Interfaces {
			if _, err := wire.ParseInterfaces(name); err == nil {
				list = append(list, completion{not + name, ""})
			}
		}
		return list
	}
}

// words completes one of few words.
func words(list ...string) completer {
	return func(_ *cobra.Command, _ []string, text string) (found []string, _ cobra.ShellCompDirective) {
		for _, word := range list {
			if strings.HasPrefix(word, text) {
				found = append(found, word)
			}
		}
		return found, completeWord
	}
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completes sets the functions of a command's flags, of which those that have none complete nothing; first is that of
// the first argument.
func completes(command *cobra.Command, first completer, flags map[string]completer) {
	maps.Copy(flags, map[string]completer{
		"ca": files, "cert": files, "key": files, "token-file": files,
		"timeout": words("10s", "1m", "5m", "1h", "0"),
		"db": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	})
	for name, function := range flags {
		if command.Flags().Lookup(name) != nil {
			_ = command.RegisterFlagCompletionFunc(name, function) // its errors are about flags that are not there, or twice
		}
	}
	command.ValidArgsFunction = func(c *cobra.Command, arguments []string, text string) ([]string, cobra.ShellCompDirective) {
		if len(arguments) > 0 || first == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return first(c, arguments, text)
	}
}
