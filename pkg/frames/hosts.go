package frames

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Host is a host and how it is: what it says of itself, and what it answered for the range.
type Host struct {
	wire.CatalogHost
	Server   string // that was asked for it; its own name if it stands alone
	Duration time.Duration
	Counters wire.Counters // in the range
	// Capture is what its capture saw and lost in the range; nil where that is not known of the host alone.
	Capture *wire.Accounting
}

// Hosts shows the state of a fleet.
type Hosts struct {
	Links Links
	Now   time.Time
}

// Frames builds the one frame.
func (f Hosts) Frames(rows []Host) data.Frames {
	if len(rows) == 0 {
		return data.Frames{noRows("hosts")}
	}
	s := newSheet("hosts", f.Links)
	add(s, "host", "Host", "", "", each(rows, func(h *Host) string { return h.Name })).Config.Links = hostLinks(f.Links)
	state := add(s, "state", "State", "", "", each(rows, func(h *Host) string { return string(h.State) }))
	state.Config.Mappings = stateColors()
	add(s, "class", "Class", "Class of the error.", "", each(rows, func(h *Host) string { return string(h.Class) }))
	add(s, "reason", "Reason", "", "", each(rows, func(h *Host) string { return OneLine(h.Error) }))
	add(s, "version", "Version", "", "", each(rows, func(h *Host) string { return h.Version }))
	add(s, "kind", "Kind", "", "", each(rows, func(h *Host) string { return h.Kind }))
	for _, key := range labelKeys(rows, func(h *Host) map[string]string { return h.Labels }) {
		add(s, "label."+key, key, "Label of the host.", "", each(rows, func(h *Host) string { return h.Labels[key] }))
	}
	add(s, "first", "Data from", "Start of the first stored interval.", "", moments(each(rows, func(h *Host) time.Time { return h.First })))
	add(s, "last", "Data until", "End of the last stored interval.", "", moments(each(rows, func(h *Host) time.Time { return h.Last })))
	add(s, "age", "Age", "Time since the end of the last stored interval.", "s", each(rows, f.age))
	add(s, "clock_skew", "Clock", "By how much its clock is ahead of ours.", "s", each(rows, func(h *Host) float64 {
		return time.Duration(h.ClockSkewNanoseconds).Seconds()
	}))
	add(s, "interfaces", "Interfaces", "", "", each(rows, func(h *Host) string { return listed(h.Interfaces, itself) }))
	add(s, "interface_count", "Number of interfaces", "", unitCount, each(rows, func(h *Host) int64 { return int64(len(h.Interfaces)) }))
	add(s, "bytes", "Bytes", "In the range.", unitBytes, each(rows, func(h *Host) uint64 { return h.Counters.Flow().Bytes() }))
	add(s, "packets", "Packets", "In the range.", unitCount, each(rows, func(h *Host) uint64 { return h.Counters.Flow().Packets() }))
	add(s, "received", "Packets captured", "In the range; empty where it is not known of the host alone.", unitCount,
		each(rows, func(h *Host) *uint64 { return captured(h, func(a *wire.Accounting) uint64 { return a.Received }) }))
	add(s, "dropped", "Packets lost", "By the capture, in the range; empty where it is not known of the host alone.", unitCount,
		each(rows, func(h *Host) *uint64 { return captured(h, func(a *wire.Accounting) uint64 { return a.Dropped }) }))
	add(s, "duration", "Answered in", "Time until the answer for the range.", unitNanos, each(rows, func(h *Host) int64 { return h.Duration.Nanoseconds() }))
	add(s, "server", "Asked at", "The server that was asked for the host.", "", each(rows, func(h *Host) string { return h.Server }))
	add(s, "hostid", "Host ID", "", "", each(rows, func(h *Host) string { return h.ID }))
	return data.Frames{s.frame}
}

func (f Hosts) age(h *Host) *float64 {
	if h.Last.IsZero() || f.Now.IsZero() {
		return nil
	}
	age := max(f.Now.Sub(h.Last).Seconds(), 0)
	return &age
}

func captured(h *Host, of func(*wire.Accounting) uint64) *uint64 {
	if h.Capture == nil {
		return nil
	}
	n := of(h.Capture)
	return &n
}

func stateColors() data.ValueMappings {
	mapper := data.ValueMapper{}
	for i, s := range []struct {
		state wire.State
		color string
	}{
		{wire.StateOK, "green"}, {wire.StateEmpty, "green"}, {wire.StateNoData, "yellow"}, {wire.StateOutsideCoverage, "yellow"},
		{wire.StatePartial, "orange"}, {wire.StateSkipped, "orange"}, {wire.StateTimeout, "red"}, {wire.StateError, "red"},
	} {
		mapper[string(s.state)] = data.ValueMappingResult{Color: s.color, Index: i}
	}
	return data.ValueMappings{mapper}
}
