package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// list are the values of a variable that the catalogs know, of the hosts that the query selects.
func (d *DataSource) list(ctx context.Context, q Query, servers []server) ([]frames.Choice, error) {
	switch q.Variable {
	case listServers:
		return plainChoices(serverNames(servers)), nil
	case listAttributes:
		return attributeChoices(d.catalog(d.catalogs.get(ctx)).Fields), nil
	}
	known := d.catalogs.get(ctx)
	if q.Variable == listLists {
		return plainChoices(listNames(known, servers)), nil
	}
	hosts, err := selectHosts(hostsOf(known, servers), q.Hosts)
	if err != nil {
		return nil, err
	}
	switch q.Variable {
	case listInterfaces:
		return interfaceChoices(hosts, q.Ifaces)
	case listLabels:
		return plainChoices(slices.Sorted(maps.Keys(labelValues(hosts)))), nil
	case listLabelValues:
		return labelChoices(hosts, q.Label)
	}
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return plainChoices(names), nil
}

func plainChoices(values []string) []frames.Choice {
	choices := make([]frames.Choice, 0, len(values))
	for _, v := range slices.Compact(values) {
		choices = append(choices, frames.Choice{Text: v, Value: v})
	}
	return choices
}

// attributeChoices are what rows can be grouped by, shown by their titles.
func attributeChoices(fields []wire.CatalogField) []frames.Choice {
	var choices []frames.Choice
	for _, f := range fields {
		if f.Query && f.Type != flow.TypeTime.String() {
			choices = append(choices, frames.Choice{Text: f.Title, Value: f.Name})
		}
	}
	return choices
}

// interfaceChoices are the interfaces of the hosts that a selection of interfaces leaves.
func interfaceChoices(hosts []knownHost, selection string) ([]frames.Choice, error) {
	chosen, err := wire.ParseInterfaces(selection)
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Interfaces...)
	}
	return plainChoices(chosen.Select(names)), nil
}

// labelChoices are the values of a label; that no host has it is an error as long as there are hosts with others.
func labelChoices(hosts []knownHost, label string) ([]frames.Choice, error) {
	all := labelValues(hosts)
	values, ok := all[label]
	if ok || len(all) == 0 {
		return plainChoices(values), nil
	}
	known := slices.Sorted(maps.Keys(all))
	if nearest, close := flow.Nearest(label, known); close {
		return nil, fmt.Errorf("label %q: no host has it; did you mean %q?", label, nearest)
	}
	return nil, fmt.Errorf("label %q: no host has it; known are %s", label, strings.Join(known, ", "))
}

// selectHosts keeps the hosts that a selection names; an empty one names all.
func selectHosts(hosts []knownHost, selection string) ([]knownHost, error) {
	infos := make([]fleet.Info, len(hosts))
	for i, h := range hosts {
		infos[i] = fleet.Info{Name: h.Name, Labels: h.Labels, Groups: h.Groups}
		if h.Server != h.Name {
			infos[i].Gateway = h.Server
		}
	}
	chosen, err := fleet.Select(infos, selection)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", explain(err))
	}
	list := make([]knownHost, len(chosen))
	for i, at := range chosen {
		list[i] = hosts[at]
	}
	return list, nil
}
