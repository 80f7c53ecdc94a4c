package frames

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Graph describes a node graph: an edge for each row, from the value of the first column to that of the second, and a
// node for each value. Grafana finds the two frames by their names and applies no units, so that figures are texts.
// A node's ring shows what became of the connection attempts from and to it.
type Graph struct {
	From, To  wire.Column
	Direction wire.Direction
	Value     Value
	// Named and Enriched show what is known of addresses, from the summary of the result.
	Named, Enriched bool
	Links           Links
}

// outcome is a part of the ring of a node, and the colour of an edge.
type outcome struct {
	name, title, color string
	of                 func(wire.Counters) uint64
}

var outcomes = []outcome{
	{"accepted", "Accepted", "green", func(c wire.Counters) uint64 { return min(c.Accepts, c.Attempts) }},
	{"rejected", "Rejected", "red", func(c wire.Counters) uint64 { return min(c.Rejects, c.Attempts-min(c.Attempts, c.Accepts)) }},
	{"unanswered", "Blocked (unanswered)", "orange", unanswered},
}

// node is a value of either column.
type node struct {
	id, title, subtitle string
	counters            wire.Counters
	peers               int
	origin              wire.Origin
}

// add counts an edge of the node.
func (n *node) add(counters wire.Counters) {
	sum := n.counters.Flow()
	sum.Add(counters.Flow())
	n.counters = wire.CountersFrom(sum)
	n.peers++
}

// Frames builds the frames "nodes" and "edges", the largest first.
func (g Graph) Frames(result *wire.Result) data.Frames {
	if len(result.Rows) == 0 {
		return data.Frames{graphFrame("nodes"), graphFrame("edges")}
	}
	nodes := make(map[string]*node)
	var order []*node
	edges := make([][2]*node, len(result.Rows))
	for i := range result.Rows {
		row := &result.Rows[i]
		for end, column := range []wire.Column{g.From, g.To} {
			value := text(column, &row.Labels, &row.Attributes)
			id := g.id(column, value)
			n := nodes[id]
			if n == nil {
				n = &node{id: id, title: value, subtitle: column.Field.Title}
				if g.From.Field.Type == g.To.Field.Type {
					n.subtitle = ""
				}
				if name := result.Summary.Names[addressOf(column, &row.Attributes)]; g.Named && name != "" && isAddress(column) {
					n.subtitle = name
				}
				if isAddress(column) {
					n.origin = result.Summary.Enrichment[addressOf(column, &row.Attributes)]
				}
				nodes[id] = n
				order = append(order, n)
			}
			edges[i][end] = n
		}
		edges[i][0].add(row.Counters)
		if edges[i][1] != edges[i][0] { // who talks to itself talked once
			edges[i][1].add(row.Counters)
		}
	}
	slices.SortStableFunc(order, func(a, b *node) int {
		return cmp.Or(cmp.Compare(amount(b.counters, g.Direction, g.Value), amount(a.counters, g.Direction, g.Value)), cmp.Compare(a.id, b.id))
	})
	return data.Frames{g.nodes(order), g.edges(result.Rows, edges)}
}

// id tells values of different kinds apart: a port is no host.
func (g Graph) id(column wire.Column, value string) string {
	if g.From.Field.Type == g.To.Field.Type {
		return value
	}
	return column.Field.Name + " " + value
}

func isAddress(column wire.Column) bool {
	return (column.Field.Name == "sip" || column.Field.Name == "dip") && column.Prefix == 0
}

func graphFrame(name string, fields ...*data.Field) *data.Frame {
	for _, f := range fields {
		f.Config.DisplayName = f.Config.DisplayNameFromDS // the panel's legend knows no other
	}
	frame := data.NewFrame(name, fields...)
	frame.SetMeta(&data.FrameMeta{PreferredVisualization: data.VisTypeNodeGraph})
	return frame
}

func (g Graph) nodes(list []*node) *data.Frame {
	n := len(list)
	ids, titles, subtitles, main, second := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	arcs := make([][]float64, len(outcomes)+1)
	for i := range arcs {
		arcs[i] = make([]float64, n)
	}
	for i, one := range list {
		ids[i], titles[i], subtitles[i] = one.id, one.title, one.subtitle
		main[i] = volume(amount(one.counters, g.Direction, g.Value), g.Value)
		second[i] = fmt.Sprintf("%d edges", one.peers)
		if one.peers == 1 {
			second[i] = "1 edge"
		}
		rest := 1.0
		for o, outcome := range outcomes {
			if attempts := one.counters.Attempts; attempts > 0 {
				arcs[o][i] = float64(outcome.of(one.counters)) / float64(attempts)
				rest -= arcs[o][i]
			}
		}
		arcs[len(outcomes)][i] = max(rest, 0)
	}
	id := column("id", "ID", "", ids)
	id.Config.Links = g.nodeLinks()
	fields := []*data.Field{id, column("title", "Name", "", titles), column("subtitle", "Kind", "", subtitles),
		column("mainstat", "Volume", "", main), column("secondarystat", "Edges", "", second)}
	for o, outcome := range append(slices.Clone(outcomes), outcome{"unknown", "No attempts seen", "gray", nil}) {
		arc := column("arc__"+outcome.name, outcome.title, unitPart, arcs[o])
		arc.Config.Color = map[string]any{"mode": "fixed", "fixedColor": outcome.color}
		fields = append(fields, arc)
	}
	if g.Enriched {
		fields = append(fields,
			column("detail__country", "Country", "", each(list, func(n **node) string { return (*n).origin.Country })),
			column("detail__network", "Network", "", each(list, func(n **node) string { return network((*n).origin) })))
	}
	return graphFrame("nodes", fields...)
}

// nodeLinks lead from a node to what is known of it, where both columns are of the same kind; its title is the value.
func (g Graph) nodeLinks() []data.DataLink {
	if g.Links.DataSource == "" || !isAddress(g.From) || !isAddress(g.To) {
		return nil
	}
	value := fieldValue("title")
	return []data.DataLink{
		g.Links.to("What did "+value+" do?", dashboardActors, "actors", value),
		g.Links.flows("Flows of "+value, "host = "+value),
	}
}

func (g Graph) edges(rows []wire.Row, ends [][2]*node) *data.Frame {
	n := len(rows)
	ids, sources, targets := make([]string, n), make([]string, n), make([]string, n)
	main, second, colors := make([]string, n), make([]string, n), make([]string, n)
	thickness := make([]float64, n)
	var largest uint64
	for i := range rows {
		largest = max(largest, amount(rows[i].Counters, g.Direction, g.Value))
	}
	other := Packets
	if g.Value == Packets {
		other = Bytes
	}
	for i := range rows {
		c := rows[i].Counters
		sources[i], targets[i] = ends[i][0].id, ends[i][1].id
		ids[i] = sources[i] + " → " + targets[i]
		main[i] = volume(amount(c, g.Direction, g.Value), g.Value)
		second[i] = volume(amount(c, g.Direction, other), other)
		colors[i] = edgeColor(c)
		thickness[i] = 1
		if largest > 0 {
			thickness[i] += 7 * float64(amount(c, g.Direction, g.Value)) / float64(largest)
		}
	}
	return graphFrame("edges",
		column("id", "ID", "", ids), column("source", "Source", "", sources), column("target", "Target", "", targets),
		column("mainstat", "Volume", "", main), column("secondarystat", "And", "", second),
		column("thickness", "Thickness", "", thickness), column("color", "Color", "", colors))
}

// edgeColor is that of the edge's verdict, which follows from its sums.
func edgeColor(c wire.Counters) string {
	switch {
	case c.Accepts > 0:
		return "green"
	case c.Rejects > 0:
		return "red"
	case c.Attempts > 0:
		return "orange"
	}
	return "gray"
}
