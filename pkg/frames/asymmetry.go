package frames

import (
	"net/netip"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/reports"
)

// Asymmetry shows pairs of addresses whose two directions went different ways.
type Asymmetry struct {
	Links Links
	// Names of addresses; nil: they are not shown.
	Names map[netip.Addr]string
}

// Frames builds the frames "pairs" and "answer".
func (a Asymmetry) Frames(answer *reports.AsymmetryAnswer) data.Frames {
	return data.Frames{a.pairs(answer.Pairs), answerSheet("", answer.Text, answer.Coverage)}
}

func (a Asymmetry) pairs(rows []reports.AsymmetryPair) *data.Frame {
	if len(rows) == 0 {
		return noRows("pairs")
	}
	type pair = reports.AsymmetryPair
	s := newSheet("pairs", a.Links)
	source := filterable(add(s, "sip", "Source", "Address of the initiator of most of it.", "", each(rows, func(p *pair) string { return p.Source.String() })))
	if a.Names != nil {
		add(s, "sip_name", "Source name", "Name of the address in the DNS; empty where it has none.", "", each(rows, func(p *pair) string { return a.Names[p.Source] }))
	}
	destination := filterable(add(s, "dip", "Destination", "Address of the responder.", "", each(rows, func(p *pair) string { return p.Destination.String() })))
	if a.Names != nil {
		add(s, "dip_name", "Destination name", "Name of the address in the DNS; empty where it has none.", "", each(rows, func(p *pair) string { return a.Names[p.Destination] }))
	}
	if a.Links.DataSource != "" {
		source.Config.Links = a.Links.both("sip", "dip")
		destination.Config.Links = a.Links.both("dip", "sip")
	}
	add(s, "kind", "Kind", "split: each direction was seen where the other was not. reverse unseen: one direction was seen nowhere. partial: some interfaces saw one direction only.",
		"", each(rows, func(p *pair) string { return string(p.Kind) }))
	add(s, "forward_bytes", "Bytes there", "Bytes from the source to the destination, where most of them were seen.", unitBytes, each(rows, func(p *pair) uint64 { return p.Forward.Bytes }))
	add(s, "backward_bytes", "Bytes back", "Bytes from the destination to the source, where most of them were seen.", unitBytes, each(rows, func(p *pair) uint64 { return p.Backward.Bytes }))
	add(s, "forward_packets", "Packets there", "", unitCount, each(rows, func(p *pair) uint64 { return p.Forward.Packets }))
	add(s, "backward_packets", "Packets back", "", unitCount, each(rows, func(p *pair) uint64 { return p.Backward.Packets }))
	add(s, "forward_points", "There over", "Hosts and interfaces that saw this direction only.", "", each(rows, func(p *pair) string { return places(p.Forward.Points) }))
	add(s, "backward_points", "Back over", "Hosts and interfaces that saw this direction only.", "", each(rows, func(p *pair) string { return places(p.Backward.Points) }))
	add(s, "both_points", "Both over", "Hosts and interfaces that saw both directions.", "", each(rows, func(p *pair) string { return places(p.Both) }))
	add(s, "halves_known", "Halves known", "Whether it is known which half is which.", "", each(rows, func(p *pair) bool { return p.HalvesKnown }))
	seen(s, rows, func(p *pair) time.Time { return p.FirstSeen }, func(p *pair) time.Time { return p.LastSeen })
	add(s, "text", "In words", "", "", each(rows, func(p *pair) string { return p.Text }))
	return s.frame
}

// both are the links of one end of a pair; the fields hold the two ends.
func (l Links) both(own, other string) []data.DataLink {
	return []data.DataLink{
		l.to("Path between the two", dashboardPath, "a", fieldValue(own), "b", fieldValue(other)),
		l.flows("Flows between the two", "host = "+fieldValue(own)+" & host = "+fieldValue(other)),
		l.to("What did "+cell+" do?", dashboardActors, "actors", cell),
	}
}
