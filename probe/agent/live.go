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

// capturing lists the interfaces that were captured since the start, and those derived from them, in order.
func (a *Agent) capturing() []string {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	var names []string
	for _, m := range a.meters {
		for _, one := range m.meters {
			names = append(names, one.Interfaces()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// of are the meters that may know an interface: its own, and those of the one it is derived from.
func (l live) of(iface string) (meters []*meter.Meter) {
	l.agent.mutex.RLock()
	defer l.agent.mutex.RUnlock()
	for _, name := range slices.Compact([]string{iface, meter.Parent(iface)}) {
		if m := l.agent.meters[name]; m != nil {
			meters = append(meters, m.meters...)
		}
	}
	return meters
}

func (l live) blocks(ctx context.Context, iface string) (blocks []meter.Block, err error) {
	for _, m := range l.of(iface) {
		more, err := m.Unstored(ctx, iface)
		if err != nil && !errors.Is(err, meter.ErrStopped) {
			return nil, err
		}
		blocks = append(blocks, more...)
	}
	return blocks, nil
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
