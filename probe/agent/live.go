package agent

import (
	"context"
	"errors"
	"slices"

	"github.com/weirflow/weir/probe/meter"
	"github.com/weirflow/weir/probe/query"
)

// live shows the engine the intervals that are not in the store yet.
type live struct{ agent *Agent }

var _ query.Source = live{}

func (l live) Interfaces(context.Context) ([]string, error) { return l.agent.capturing(), nil }

// capturing lists the interfaces that were captured since the start, in order.
func (a *Agent) capturing() []string {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	var names []string
	for name, m := range a.meters {
		if m.meter != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (l live) meter(iface string) *meter.Meter {
	l.agent.mutex.RLock()
	defer l.agent.mutex.RUnlock()
	if m := l.agent.meters[iface]; m != nil {
		return m.meter
	}
	return nil
}

func (l live) blocks(ctx context.Context, iface string) ([]meter.Block, error) {
	m := l.meter(iface)
	if m == nil {
		return nil, nil
	}
	blocks, err := m.Unstored(ctx, iface)
	if errors.Is(err, meter.ErrStopped) {
		return blocks, nil
	}
	return blocks, err
}

func (l live) Scan(ctx context.Context, iface string, first, last int64, visit query.Visit) (query.ScanStats, error) {
	var stats query.ScanStats
	blocks, err := l.blocks(ctx, iface)
	if err != nil {
		return stats, err
	}
	for _, b := range blocks {
		if b.Interval.End < first || b.Interval.End > last {
			continue
		}
		stats.Blocks++
		stats.Rows += uint64(len(b.Records))
		if err := visit(b.Interval, b.Records); err != nil {
			return stats, err
		}
	}
	return stats, nil
}
