package query

import (
	"github.com/weirflow/weir/pkg/wire"
)

// keepNamed makes a set of the groups that the query names, where it does: only they count. A label that a group does
// not give may have any value.
func (r *run) keepNamed() {
	if r.query.Groups == nil {
		return
	}
	r.keep = make(map[key]struct{}, len(r.query.Groups))
	ifaces := r.indexOfInterfaces()
	for i := range r.query.Groups {
		g := &r.query.Groups[i]
		if !r.ownGroup(&g.Labels) {
			continue
		}
		k := r.keyOf(&wire.Row{Attributes: g.Attributes}, nil)
		k.source, k.destination = maskAddress(k.source, k.family, r.shape.sourceBits), maskAddress(k.destination, k.family, r.shape.destinationBits)
		switch index, known := ifaces[g.Labels.Iface]; {
		case !r.shape.iface:
			r.keep[k] = struct{}{}
		case g.Labels.Iface == "":
			for i := range r.interfaces {
				k.iface = uint16(i)
				r.keep[k] = struct{}{}
			}
		case known:
			k.iface = index
			r.keep[k] = struct{}{}
		}
	}
}

// ownGroup says whether a group can be one of this host's.
func (r *run) ownGroup(l *wire.Labels) bool {
	deps := &r.engine.deps
	return (l.Host == "" || l.Host == deps.Host) && (l.HostID == "" || l.HostID == deps.HostID) &&
		(l.HostLabels == "" || l.HostLabels == r.hostLabels)
}

// condition is the query's on rows, and what the rows of the groups that it names have in common.
func (r *run) condition() *condition {
	c := newCondition(r.query.Matcher.Rows())
	switch {
	case r.keep == nil:
		return c
	case len(r.keep) == 0:
		return &condition{operation: never}
	}
	return c.and(r.shape.narrow(r.keep)...)
}

// limitTo makes a plan sum up certain groups only, named without their time; nil: all.
func (pl *plan) limitTo(kept map[key]struct{}) {
	if kept == nil {
		return
	}
	pl.only = make(keySet, len(kept))
	for k := range kept {
		if p, ok := pl.pack(&k); ok {
			pl.only[p] = struct{}{}
		}
	}
}
