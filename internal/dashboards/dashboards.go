// Package dashboards makes the dashboards that come with the plugin: src/dashboards/*.json, which Grafana imports from the
// plugin and which provisioning/ serves as files. What all of them have in common (the variables that cascade, the look
// of tables and graphs, the way from one to the next) stands here once.
//
// Invariants: the only data source is the variable ds, so that the same file works imported and provisioned; a query
// names no variable that its dashboard does not have; equal input gives equal bytes.
package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// pluginID is the type of the data source.
const pluginID = "weirflow-weir-datasource"

// object is a piece of a dashboard's JSON. encoding/json writes its members in the order of their names.
type object = map[string]any

// Dashboard is one file.
type Dashboard struct {
	UID, Title, Description string
	Variables               []object
	Panels                  []panel
	Range                   string // how far back it looks at first, "now-6h"
	Annotations             []object
}

// All are the dashboards, in the order in which somebody would read them.
func All() []Dashboard {
	return []Dashboard{global(), actors(), path(), asymmetry(), hogs(), host(), fleetHealth()}
}

// File is the name of the dashboard's file.
func (d Dashboard) File() string { return d.UID + ".json" }

// JSON is the dashboard as Grafana reads it.
func (d Dashboard) JSON() ([]byte, error) {
	panels, err := layOut(d.Panels)
	if err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", d.UID, err)
	}
	board := object{
		"uid": d.UID, "title": d.Title, "description": d.Description, "tags": []string{"weir"},
		"editable": true, "schemaVersion": 41, "version": 1, "timezone": "", "refresh": "", "graphTooltip": 1,
		"time":        object{"from": d.Range, "to": "now"},
		"annotations": object{"list": orEmpty(d.Annotations)},
		"templating":  object{"list": d.Variables},
		"panels":      panels,
		"links": []object{{
			"type": "dashboards", "title": "Weir", "tags": []string{"weir"}, "asDropdown": true, "includeVars": true, "keepTime": true,
			"icon": "external link", "targetBlank": false, "tooltip": "The other dashboards, with the same time and choice of hosts", "url": "",
		}},
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(board); err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", d.UID, err)
	}
	return text.Bytes(), nil
}

func orEmpty(list []object) []object {
	if list == nil {
		return []object{}
	}
	return list
}

// source is what every panel, query and variable asks.
func source() object { return object{"type": pluginID, "uid": "${ds}"} }

// query is a saved query of the plugin; members given win over those that most queries of dashboards have in common.
func query(kind string, members object) object {
	q := object{
		"refId": "A", "datasource": source(), "version": 2, "queryType": kind,
		"servers": []string{}, "hosts": chosenHosts, "interfaces": "$iface", "condition": "$condition",
	}
	for name, value := range members {
		q[name] = value
	}
	return q
}

// Query is what a panel asks, and what it does with the answer.
type Query struct {
	Title  string
	Query  map[string]any
	Fields []string // whose look it changes
}

// Queries are those of the panels, for tests that ask them.
func (d Dashboard) Queries() []Query {
	var list []Query
	for _, p := range d.Panels {
		if p.query == nil {
			continue
		}
		q := Query{Title: p.title, Query: p.query}
		for _, o := range p.overrides {
			q.Fields = append(q.Fields, o["matcher"].(object)["options"].(string))
		}
		list = append(list, q)
	}
	return list
}
