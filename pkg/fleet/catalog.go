package fleet

import (
	"context"
	"maps"
	"slices"

	"github.com/weirflow/weir/pkg/wire"
)

// HostCatalog is what one host said of itself, or why it did not.
type HostCatalog struct {
	Name    string
	Catalog *wire.Catalog
	Err     error
}

// Catalogs asks all hosts; the answers stand in the order of the names.
func (f *Fleet) Catalogs(ctx context.Context) []HostCatalog {
	list := make([]HostCatalog, len(f.hosts))
	f.each(ctx, f.hosts, func(ctx context.Context, i int) (err error) {
		list[i].Catalog, err = f.hosts[i].Client.Catalog(ctx)
		return err
	}, func(i int, err error) {
		list[i].Name, list[i].Err = f.hosts[i].Name, err
	})
	return list
}

// Catalog is the union of what the hosts say that answer. Where none does, it is the error of the first.
func (f *Fleet) Catalog(ctx context.Context) (*wire.Catalog, error) {
	list := f.Catalogs(ctx)
	union := &wire.Catalog{
		Kind: "gateway", Now: f.now().UTC(), Interfaces: []wire.CatalogInterface{},
		Fields: wire.CatalogFields(), Shorthands: wire.CatalogShorthands(), Features: []string{},
	}
	interfaces := make(map[string]wire.CatalogInterface)
	answered := 0
	for _, h := range list {
		if h.Err != nil {
			continue
		}
		answered++
		if d := h.Catalog.Interval; union.Interval == 0 || d > 0 && d < union.Interval {
			union.Interval = d
		}
		for _, i := range h.Catalog.Interfaces {
			interfaces[i.Name] = join(interfaces[i.Name], i)
		}
	}
	if answered == 0 && len(list) > 0 {
		return nil, list[0].Err
	}
	for _, name := range slices.Sorted(maps.Keys(interfaces)) {
		union.Interfaces = append(union.Interfaces, interfaces[name])
	}
	return union, nil
}

// join is what two hosts together know of an interface name.
func join(a, b wire.CatalogInterface) wire.CatalogInterface {
	if b.First.IsZero() || !a.First.IsZero() && a.First.Before(b.First) {
		b.First = a.First
	}
	if a.Last.After(b.Last) {
		b.Last = a.Last
	}
	b.Capturing = b.Capturing || a.Capturing
	return b
}
