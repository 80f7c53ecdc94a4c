package frames

import (
	"net/netip"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/reports"
)

// Actors shows what the addresses of a list did. Without any hit, the answer says what that proves.
type Actors struct {
	Links Links
	// Names of addresses; nil: they are not shown.
	Names map[netip.Addr]string
}

// Frames builds the frames "actors" and "answer".
func (a Actors) Frames(answer *reports.ActorsAnswer) data.Frames {
	sheet := answerSheet("", answer.Text, answer.Coverage)
	sheet.Fields = append(sheet.Fields,
		column("entries", "Entries of the list", unitCount, []int64{int64(answer.Entries)}),
		column("hits", "Entries that were seen", unitCount, []int64{int64(answer.Hits)}),
		column("list", "List", "", []string{answer.List}))
	return data.Frames{a.hits(answer.Actors), sheet}
}

func (a Actors) hits(rows []reports.Hit) *data.Frame {
	if len(rows) == 0 {
		return noRows("actors")
	}
	type hit = reports.Hit
	s := newSheet("actors", a.Links)
	actor := add(s, "actor", "Actor", "Entry of the list.", "", each(rows, func(h *hit) string { return actorText(h) }))
	if a.Links.DataSource != "" {
		actor.Config.Links = []data.DataLink{
			a.Links.flows("Flows of "+cell, "host = "+cell),
			a.Links.to("What did "+cell+" do?", dashboardActors, "actors", cell),
		}
	}
	if a.Names != nil {
		add(s, "actor_name", "Name", "Name of the address in the DNS; empty where it has none.", "", each(rows, func(h *hit) string {
			if !h.Prefix.IsSingleIP() {
				return ""
			}
			return a.Names[h.Prefix.Addr()]
		}))
	}
	texts := func(name, title, help string, of func(*hit) string) {
		values := each(rows, of)
		for _, v := range values {
			if v != "" {
				add(s, name, title, help, "", values)
				return
			}
		}
	}
	texts("label", "Label", "What the list says of the entry.", func(h *hit) string { return h.Label })
	texts("source", "Source", "Where the list has the entry from.", func(h *hit) string { return h.Source })
	outcomeColumns(s, rows, func(h *hit) reports.Outcome { return h.Total.Outcome })
	seen(s, rows, func(h *hit) time.Time { return h.FirstSeen }, func(h *hit) time.Time { return h.LastSeen })
	add(s, "bytes", "Bytes", "Bytes in both directions, each flow by the view that saw most of it.", unitBytes, each(rows, func(h *hit) uint64 { return h.Total.Bytes }))
	add(s, "packets", "Packets", "Packets in both directions.", unitCount, each(rows, func(h *hit) uint64 { return h.Total.Packets }))
	add(s, "from_actor", "Flows from it", "Flows that the actor opened.", unitCount, each(rows, func(h *hit) int64 { return int64(h.AsInitiator.Flows) }))
	add(s, "to_actor", "Flows to it", "Flows that were opened to the actor.", unitCount, each(rows, func(h *hit) int64 { return int64(h.AsResponder.Flows) }))
	add(s, "hosts", "Hosts", "Hosts that saw it.", "", each(rows, func(h *hit) string { return listed(h.Hosts, itself) }))
	add(s, "host_count", "Number of hosts", "", unitCount, each(rows, func(h *hit) int64 { return int64(len(h.Hosts)) }))
	texts("companies", "Companies", "By the label of the hosts.", func(h *hit) string { return listed(h.Companies, itself) })
	add(s, "interfaces", "Interfaces", "Hosts and interfaces that saw it.", "", each(rows, func(h *hit) string { return places(h.Points) }))
	add(s, "ports", "Services", "Those with most bytes.", "", each(rows, func(h *hit) string {
		return listed(h.Ports, func(p reports.PortCount) string { return p.Text })
	}))
	add(s, "port_count", "Number of services", "", unitCount, each(rows, func(h *hit) int64 { return int64(h.PortCount) }))
	add(s, "systems", "Systems", "The other ends, those with most bytes.", "", each(rows, func(h *hit) string { return listed(h.Systems, asText) }))
	add(s, "system_count", "Number of systems", "", unitCount, each(rows, func(h *hit) int64 { return int64(h.SystemCount) }))
	texts("one_sided", "One direction only at", "Places that saw one direction only.", func(h *hit) string { return places(h.OneSided) })
	add(s, "at_least", "At least", "A limit cut flows off: counts are of the largest flows.", "", each(rows, func(h *hit) bool { return h.AtLeast }))
	return s.frame
}

// actorText is the entry, an address without its length.
func actorText(h *reports.Hit) string {
	if h.Prefix.IsSingleIP() {
		return h.Prefix.Addr().String()
	}
	return h.Prefix.String()
}
