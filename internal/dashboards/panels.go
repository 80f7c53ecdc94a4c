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
		defaults: object{"custom": object{"fillOpacity": 10, "lineWidth": 1, "showPoints": "auto", "spanNulls": false, "axisCenteredZero": false}},
		options: object{
			"legend":  object{"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"mean", "max"}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}}
}

// table shows the frame of that number, which for most queries is 0, the answer itself.
func table(title, help string, w, h, frame int, q object) panel {
	return panel{kind: "table", title: title, help: help, width: w, height: h, query: q,
		defaults: object{"custom": object{"align": "auto", "filterable": true}},
		options:  object{"showHeader": true, "cellHeight": "sm", "frameIndex": frame, "footer": object{"show": false, "reducer": []string{"sum"}, "fields": ""}}}
}

// sentence shows the frame that says the answer in words, with what it covers.
func sentence(title, help string, frame int, q object) panel {
	p := table(title, help, width, 4, frame, q)
	p.defaults = object{"custom": object{"align": "left", "wrapText": true}}
	p.overrides = []object{column("answer", property("custom.minWidth", 300)), column("coverage", property("custom.minWidth", 400))}
	return p
}

// column changes how a field of a table looks.
func column(field string, properties ...object) object {
	return object{"matcher": object{"id": "byName", "options": field}, "properties": properties}
}

func property(id string, value any) object { return object{"id": id, "value": value} }
