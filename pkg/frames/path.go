package frames

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/reports"
)

// Path shows who saw what between two ends: the views of each interface, the services over all views, and the answer
// in words.
type Path struct {
	Links Links
	// Limit is the greatest number of views.
	Limit int
}

// Frames builds the frames "views", "services" and "answer".
func (p Path) Frames(answer *reports.PathAnswer) data.Frames {
	views := answer.Views
	if p.Limit > 0 && len(views) > p.Limit {
		views = views[:p.Limit]
	}
	return data.Frames{p.views(views), p.services(answer.Services), answerSheet(answer.Verdict, answer.Text, answer.Coverage)}
}

func (p Path) views(rows []reports.PathView) *data.Frame {
	if len(rows) == 0 {
		return noRows("views")
	}
	type view = reports.PathView
	s := newSheet("views", p.Links)
	host := add(s, "host", "Host", "Host that captured.", "", each(rows, func(v *view) string { return v.Host }))
	host.Config.Links = hostLinks(p.Links)
	filterable(add(s, "iface", "Interface", "Interface that captured.", "", each(rows, func(v *view) string { return v.Iface })))
	for _, key := range labelKeys(rows, func(v *view) map[string]string { return v.Labels }) {
		add(s, "label."+key, key, "Label of the host.", "", each(rows, func(v *view) string { return v.Labels[key] }))
	}
	add(s, "service", "Service", "What was talked to.", "", each(rows, func(v *view) string { return v.Text }))
	add(s, "initiator", "Initiator", "The end that opened the connections.", "", each(rows, func(v *view) string { return endName(v.Initiator) }))
	outcomeColumns(s, rows, func(v *view) reports.Outcome { return v.Outcome })
	add(s, "sides", "Seen", "Directions of which the interface had packets; one side alone is what asymmetric routing looks like.", "",
		each(rows, func(v *view) string { return sidesText(v.Sides) }))
	directions(s, rows, func(v *view) (bool, reports.Amount, reports.Amount) { return v.Split, v.AToB, v.BToA })
	add(s, "bytes_received", "Bytes received", "Bytes the interface received.", unitBytes, each(rows, func(v *view) uint64 { return v.Received.Bytes }))
	add(s, "bytes_sent", "Bytes sent", "Bytes the interface sent.", unitBytes, each(rows, func(v *view) uint64 { return v.Sent.Bytes }))
	add(s, "packets_received", "Packets received", "Packets the interface received.", unitCount, each(rows, func(v *view) uint64 { return v.Received.Packets }))
	add(s, "packets_sent", "Packets sent", "Packets the interface sent.", unitCount, each(rows, func(v *view) uint64 { return v.Sent.Packets }))
	seen(s, rows, func(v *view) time.Time { return v.FirstSeen }, func(v *view) time.Time { return v.LastSeen })
	add(s, "flows", "Pairs", "Pairs of addresses behind it.", unitCount, each(rows, func(v *view) int64 { return int64(v.Flows) }))
	add(s, "sources", "Sources", "The first few.", "", each(rows, func(v *view) string { return listed(v.Sources, asText) }))
	add(s, "destinations", "Destinations", "The first few.", "", each(rows, func(v *view) string { return listed(v.Destinations, asText) }))
	return s.frame
}

func (p Path) services(rows []reports.PathService) *data.Frame {
	if len(rows) == 0 {
		return noRows("services")
	}
	type service = reports.PathService
	s := newSheet("services", p.Links)
	add(s, "service", "Service", "What was talked to.", "", each(rows, func(v *service) string { return v.Text }))
	add(s, "initiator", "Initiator", "The end that opened the connections.", "", each(rows, func(v *service) string { return endName(v.Initiator) }))
	outcomeColumns(s, rows, func(v *service) reports.Outcome { return v.Outcome })
	directions(s, rows, func(v *service) (bool, reports.Amount, reports.Amount) { return v.Split, v.AToB, v.BToA })
	add(s, "bytes", "Bytes", "Bytes in both directions, each flow by the view that saw most of it.", unitBytes, each(rows, func(v *service) uint64 { return v.Total.Bytes }))
	add(s, "packets", "Packets", "Packets in both directions.", unitCount, each(rows, func(v *service) uint64 { return v.Total.Packets }))
	seen(s, rows, func(v *service) time.Time { return v.FirstSeen }, func(v *service) time.Time { return v.LastSeen })
	add(s, "points", "Seen at", "Hosts and interfaces.", "", each(rows, func(v *service) string { return places(v.Points) }))
	return s.frame
}

// directions are the columns of what went from A to B and back, empty where nothing tells the two apart.
func directions[R any](s *sheet, rows []R, of func(*R) (bool, reports.Amount, reports.Amount)) {
	part := func(pick func(ab, ba reports.Amount) uint64) []*uint64 {
		return each(rows, func(r *R) *uint64 {
			split, ab, ba := of(r)
			if !split {
				return nil
			}
			n := pick(ab, ba)
			return &n
		})
	}
	const help = "; empty where the two directions can't be told apart."
	add(s, "bytes_a_to_b", "Bytes A → B", "Bytes from A to B"+help, unitBytes, part(func(ab, _ reports.Amount) uint64 { return ab.Bytes }))
	add(s, "bytes_b_to_a", "Bytes B → A", "Bytes from B to A"+help, unitBytes, part(func(_, ba reports.Amount) uint64 { return ba.Bytes }))
	add(s, "packets_a_to_b", "Packets A → B", "Packets from A to B"+help, unitCount, part(func(ab, _ reports.Amount) uint64 { return ab.Packets }))
	add(s, "packets_b_to_a", "Packets B → A", "Packets from B to A"+help, unitCount, part(func(_, ba reports.Amount) uint64 { return ba.Packets }))
}

func endName(end string) string {
	switch end {
	case "a":
		return "A"
	case "b":
		return "B"
	}
	return end
}

func sidesText(sides reports.Sides) string {
	switch sides {
	case reports.SidesAToB:
		return "A → B only"
	case reports.SidesBToA:
		return "B → A only"
	case reports.SidesUnknown:
		return "one direction only"
	}
	return "both directions"
}

// hostLinks lead from a host's name to its dashboard.
func hostLinks(l Links) []data.DataLink {
	if l.DataSource == "" {
		return nil
	}
	return []data.DataLink{l.to("Host "+cell, dashboardHost, "host", cell)}
}
