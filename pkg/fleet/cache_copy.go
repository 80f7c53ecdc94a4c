package fleet

import (
	"maps"
	"reflect"
	"slices"

	"github.com/weirflow/weir/pkg/wire"
)

// clone is a copy of a result that shares nothing with it that anybody changes. A test holds that it is deep.
func clone(r *wire.Result) *wire.Result {
	c := *r
	c.HostsStatuses = maps.Clone(r.HostsStatuses)
	c.Query.Attributes = slices.Clone(r.Query.Attributes)
	c.Query.Lookups = maps.Clone(r.Query.Lookups)
	for name, addresses := range c.Query.Lookups {
		c.Query.Lookups[name] = slices.Clone(addresses)
	}
	c.Rows = slices.Clone(r.Rows)
	for i := range c.Rows {
		c.Rows[i].Before = pointer(c.Rows[i].Before)
	}
	s := &c.Summary
	s.Interfaces = slices.Clone(s.Interfaces)
	if s.Accounting = pointer(s.Accounting); s.Accounting != nil {
		s.Accounting.Issues = maps.Clone(s.Accounting.Issues)
	}
	if s.Other = pointer(s.Other); s.Other != nil {
		s.Other.Bins = slices.Clone(s.Other.Bins)
	}
	s.Coverage = slices.Clone(s.Coverage)
	s.Folded, s.Bounded, s.Progress = pointer(s.Folded), pointer(s.Bounded), pointer(s.Progress)
	if s.Explain = pointer(s.Explain); s.Explain != nil {
		s.Explain.Steps = slices.Clone(s.Explain.Steps)
	}
	s.Names, s.Enrichment = maps.Clone(s.Names), maps.Clone(s.Enrichment)
	return &c
}

// pointer is one to a copy.
func pointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	copied := *p
	return &copied
}

// sizeOf is about what a result takes in memory. Texts of rows count for each row, though many share one.
func sizeOf(r *wire.Result) int64 {
	const base = 4 << 10 // what every result has
	bytes := int64(base) + int64(len(r.Rows))*memoryOf[wire.Row]()
	for i := range r.Rows {
		l := &r.Rows[i].Labels
		bytes += int64(len(l.Iface) + len(l.Host) + len(l.HostID) + len(l.HostLabels) + len(r.Rows[i].Attributes.Verdict))
		if r.Rows[i].Before != nil {
			bytes += memoryOf[wire.Counters]()
		}
	}
	s := &r.Summary
	bytes += int64(len(s.Coverage)) * memoryOf[wire.BinCoverage]()
	if s.Other != nil {
		bytes += int64(len(s.Other.Bins)) * memoryOf[wire.OtherBin]()
	}
	if s.Explain != nil {
		bytes += int64(len(s.Explain.Steps)) * (memoryOf[wire.ExplainStep]() + 128)
	}
	for _, name := range s.Names {
		bytes += int64(len(name)) + 64
	}
	return bytes + int64(len(s.Enrichment))*128 + int64(len(s.Interfaces))*64
}

// memoryOf is the memory of a value, without what it points to. The plugin may not use package unsafe.
func memoryOf[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }
