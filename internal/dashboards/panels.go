package dashboards

import "fmt"

// width of a dashboard in columns of Grafana's grid.
const width = 24

// panel is a panel or, without a kind, the head of a row of panels.
type panel struct {
	kind, title, help string
	width, height     int
	query             object
	options           object
	defaults          object // of the fields
	overrides         []object
}

// layOut gives panels their places, left to right, line by line, and writes them.
func layOut(panels []panel) ([]object, error) {
	var list []object
	x, y, tallest := 0, 0, 0
	line := func() { x, y, tallest = 0, y+tallest, 0 }
	for i, p := range panels {
		if p.kind == "" {
			line()
			list = append(list, object{"id": i + 1, "type": "row", "title": p.title, "collapsed": false, "panels": []object{},
				"gridPos": object{"x": 0, "y": y, "w": width, "h": 1}})
			y++
			continue
		}
		if p.width < 1 || p.width > width || p.height < 1 || p.query == nil {
			return nil, fmt.Errorf("panel %q: has no size or asks nothing", p.title)
		}
		if x+p.width > width {
			line()
		}
		list = append(list, p.object(i+1, x, y))
		x, tallest = x+p.width, max(tallest, p.height)
	}
	return list, nil
}

func (p panel) object(id, x, y int) object {
	defaults, options := p.defaults, p.options
	if defaults == nil {
		defaults = object{}
	}
	if options == nil {
		options = object{}
	}
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.help, "datasource": source(),
		"gridPos": object{"x": x, "y": y, "w": p.width, "h": p.height}, "targets": []object{p.query},
		"fieldConfig": object{"defaults": defaults, "overrides": orEmpty(p.overrides)}, "options": options,
	}
}

// row is the head of what follows.
func row(title string) panel { return panel{title: title} }

// graph shows a time series.
func graph(title, help string, w, h int, q object) panel {
	return panel{kind: "timeseries", title: title, help: help, width: w, height: h, query: q,
		defaults: object{"custom": object{"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": false, "axisCenteredZero": false}},
		options: object{
			"legend":  object{"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"mean", "max"}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}}
}

// Widths of columns in pixels: ten fit into a panel over the whole width, six into half of it.
const (
	figureColumn = 84
	leastColumn  = 88
	nameColumn   = 128 // of addresses and hosts
	timeColumn   = 156
	textColumn   = 220
	answerColumn = 320 // of what wraps
)

// table shows a table of the answer, of which there is one for most queries; its name is empty then. Columns are as wide as
// they can be where all of them fit into the panel, and not below what a figure takes.
func table(title, help string, w, h int, frame string, q object) panel {
	if frame != "" {
		q["frame"] = frame
	}
	p := panel{kind: "table", title: title, help: help, width: w, height: h, query: q,
		defaults: object{"custom": object{"align": "auto", "minWidth": leastColumn, "wrapHeaderText": true}},
		options:  object{"showHeader": true, "cellHeight": "sm", "footer": object{"show": false, "reducer": []string{"sum"}, "fields": ""}}}
	return p.names(named(q)...)
}

// names gives fields of addresses and hosts the room that most of them need.
func (p panel) names(fields ...string) panel { return p.atLeast(nameColumn, fields...) }

// times gives fields of times the room they need.
func (p panel) times(fields ...string) panel { return p.exactly(timeColumn, fields...) }

// exactly gives fields their width. Grafana shares out what is left among the others, so that a crowded table fits, which
// it does not where fields are wider than their share.
func (p panel) exactly(pixels int, fields ...string) panel {
	for _, name := range fields {
		p.overrides = append(p.overrides, column(name, property("custom.width", pixels)))
	}
	return p
}

func (p panel) atLeast(pixels int, fields ...string) panel {
	for _, name := range fields {
		p.overrides = append(p.overrides, column(name, property("custom.minWidth", pixels)))
	}
	return p
}

// figures makes fields as narrow as a short figure under a title of two lines.
func (p panel) figures(fields ...string) panel { return p.exactly(figureColumn, fields...) }

// attempts makes the figures of connection attempts narrow.
func (p panel) attempts() panel { return p.figures("attempts", "accepts", "rejects", "unanswered") }

// hidden takes fields out of what is seen, where all of them do not fit into the panel: they are in the answer, for links
// and for who inspects it.
func (p panel) hidden(fields ...string) panel {
	for _, name := range fields {
		p.overrides = append(p.overrides, column(name, property("custom.hideFrom.viz", true)))
	}
	return p
}

// texts gives fields of lists and sentences some room; the rest of what is longer is seen where the pointer is.
func (p panel) texts(fields ...string) panel { return p.atLeast(textColumn, fields...) }

// named are the fields of a table's query that hold addresses, names of hosts, and the bar of the share.
func named(q object) (list []string) {
	attributes, _ := q["attributes"].([]string)
	for _, name := range attributes {
		if name == "sip" || name == "dip" || name == "host" {
			list = append(list, name)
		}
	}
	if q["queryType"] == "table" && q["frame"] == nil {
		list = append(list, "share")
	}
	return list
}

// sentence shows the table that says the answer in words, with what it covers.
func sentence(title, help string, q object) panel {
	p := table(title, help, width, 6, "answer", q)
	p.defaults = object{"custom": object{"align": "left", "wrapText": true, "minWidth": leastColumn, "wrapHeaderText": true}}
	p.overrides = []object{column("answer", property("custom.minWidth", answerColumn)), column("coverage", property("custom.minWidth", textColumn))}
	return p.hidden("hosts", "answered", "with_data", "data_first", "data_last") // which the coverage says
}

// hostStates shows the state of hosts and how far they can be believed.
func hostStates(title, help string, h int) panel {
	return table(title, help, width, h, "", query("hosts", object{})).exactly(nameColumn, "host").times("first", "last").
		figures("state", "version", "age", "clock_skew", "received", "dropped", "duration").
		hidden("class", "kind", "interface_count", "bytes", "packets", "server", "hostid")
}

// column changes how a field of a table looks.
func column(field string, properties ...object) object {
	return object{"matcher": object{"id": "byName", "options": field}, "properties": properties}
}

func property(id string, value any) object { return object{"id": id, "value": value} }
