package agent

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

var _ serve.Querier = (*Agent)(nil)

// Query answers from the store and, for live queries, from the current intervals. A single store has no partial
// results to show.
func (a *Agent) Query(ctx context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	data := a.dataVersion(q)
	if data != "" && q.Request.IfVersion == data {
		return a.unchanged(q, data), nil
	}
	ctx, s := span.Start(ctx, "engine")
	s.Text("query", q.Request.Query)
	s.Text("condition", q.Request.Condition)
	result, err := a.engine.Query(ctx, q)
	if err == nil {
		if data != "" && a.dataVersion(q) == data { // else something came in while it was read
			result.Summary.DataVersion = data
		}
		s.Int("rows", int64(len(result.Rows)))
		s.Int("blocks", int64(result.Summary.Stats.BlocksProcessed))
	}
	s.End(err)
	return result, err
}

// features of the contract that this server knows beyond goProbe v4.
var features = []string{"merge", "series", "other", "live", "sse", "compare", "actors", "explain", "seen", "prefix", "names", "ndjson", "arrow", "lists", "data_version",
	wire.FeatureThreshold, wire.FeatureGroups, wire.FeatureDedupe, wire.FeatureLabels}

// Abilities are what this server says of itself without being asked for a catalog.
func (a *Agent) Abilities() wire.Abilities {
	return wire.Abilities{Features: slices.Clone(features), Interval: a.cfg.Meter.Interval}
}

// Catalog says what can be asked of this probe.
func (a *Agent) Catalog(ctx context.Context) (*wire.Catalog, error) {
	interfaces, err := a.interfaces(ctx)
	if err != nil {
		return nil, err
	}
	c := &wire.Catalog{
		Kind: "probe", Version: version.String(), Host: a.host, HostID: a.hostID, Labels: maps.Clone(a.cfg.Host.Labels),
		Now: a.deps.Now().UTC(), Interval: a.cfg.Meter.Interval, Interfaces: interfaces, Features: features,
	}
	for _, f := range flow.Fields() {
		c.Fields = append(c.Fields, wire.CatalogField{Name: f.Name, Aliases: f.Aliases, Kind: f.Kind.String(), Type: f.Type.String(),
			Wire: f.Wire, Title: f.Title, Description: f.Description, Query: f.Query, Filter: f.Filter})
	}
	for _, s := range flow.Shorthands() {
		c.Shorthands = append(c.Shorthands, wire.CatalogShorthand{Name: s.Name, Fields: s.Fields})
	}
	return c, nil
}

// interfaces lists those with data and those that are captured, with the span of their stored intervals.
func (a *Agent) interfaces(ctx context.Context) ([]wire.CatalogInterface, error) {
	stored, err := a.store.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []wire.CatalogInterface
	for _, name := range union(stored, a.capturing()) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entry := wire.CatalogInterface{Name: name, Capturing: a.isRunning(name)}
		first, last, err := a.store.Coverage(name)
		if err != nil {
			return nil, err
		}
		if last != 0 {
			entry.First, entry.Last = time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
		}
		list = append(list, entry)
	}
	return list, nil
}
