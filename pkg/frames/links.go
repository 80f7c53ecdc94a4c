package frames

import (
	"net/url"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Links lead from a cell to the dashboards that come with the plugin. They are URLs, since Grafana's internal links
// lose the range of time; the zero value makes none.
type Links struct {
	// DataSource is the uid of the data source, which the dashboards ask too.
	DataSource string
	// Condition is that of the query; links to flows go on with it.
	Condition string
}

// The dashboards that come with the plugin, by their uid; src/dashboards has them.
const (
	dashboardGlobal = "weir-global"
	dashboardActors = "weir-actors"
	dashboardPath   = "weir-path"
	dashboardHost   = "weir-host"
)

// cell is what Grafana replaces by the value of the cell, without a unit; it is encoded there.
const cell = "${__value.raw}"

// field is what Grafana replaces by the value of another field in the same row, by its name.
func fieldValue(name string) string { return `${__data.fields["` + name + `"]}` }

// column are the links of a cell in a column of a table that has fields of these names.
func (l Links) column(column wire.Column, names []string) []data.DataLink {
	if l.DataSource == "" {
		return nil
	}
	switch column.Field.Name {
	case "sip", "dip":
		return l.address(column, names)
	case "host":
		return []data.DataLink{
			l.to("Host "+cell, dashboardHost, "host", cell),
			l.to("Flows at "+cell, dashboardGlobal, "host", cell, "condition", l.Condition),
		}
	case "iface":
		variables := []string{"iface", cell}
		if slices.Contains(names, "host") {
			variables = append(variables, "host", fieldValue("host"))
		}
		return []data.DataLink{l.to("Interface "+cell, dashboardHost, variables...)}
	case "dport":
		term := "dport = " + cell
		if slices.Contains(names, "proto") {
			term += " & proto = " + fieldValue("proto")
		}
		return []data.DataLink{l.flows("Flows of this service", term)}
	case "proto", "verdict":
		return []data.DataLink{l.flows("Flows with "+column.Name+" "+cell, column.Name+" = "+cell)}
	}
	return nil
}

// address are the links of an address or network: what it did, and with the other end, how they talk.
func (l Links) address(column wire.Column, names []string) []data.DataLink {
	links := []data.DataLink{
		l.to("What did "+cell+" do?", dashboardActors, "actors", cell),
		l.flows("Flows of "+cell, "host = "+cell),
	}
	if column.Prefix > 0 {
		links[1] = l.flows("Flows of "+cell, column.Field.Name+" = "+cell)
	}
	for _, name := range names {
		if base, _, _ := strings.Cut(name, "/"); base != column.Field.Name && (base == "sip" || base == "dip") {
			links = append(links, l.to("Path between the two", dashboardPath, "a", cell, "b", fieldValue(name)))
		}
	}
	return links
}

// flows is a link to the flows of the query for which another term holds, too.
func (l Links) flows(title, term string) data.DataLink {
	if l.Condition != "" {
		term = "(" + l.Condition + ") & " + term
	}
	return l.to(title, dashboardGlobal, "condition", term)
}

// to is a link to a dashboard: pairs of a variable and its value, the data source, and the range of time.
func (l Links) to(title, dashboard string, pairs ...string) data.DataLink {
	var b strings.Builder
	b.WriteString("/d/" + dashboard + "?var-ds=" + escapeLink(l.DataSource))
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			b.WriteString("&var-" + pairs[i] + "=" + escapeLink(pairs[i+1]))
		}
	}
	b.WriteString("&from=${__from}&to=${__to}")
	return data.DataLink{Title: title, URL: b.String()}
}

// escapeLink encodes a text for a link's query, but for what Grafana is to replace: it encodes those values itself.
func escapeLink(text string) string {
	var b strings.Builder
	for text != "" {
		start := strings.Index(text, "${__")
		end := -1
		if start >= 0 {
			end = strings.IndexByte(text[start:], '}')
		}
		if end < 0 {
			start, end = len(text), -1
		}
		b.WriteString(strings.ReplaceAll(url.QueryEscape(text[:start]), "+", "%20"))
		b.WriteString(text[start : start+end+1])
		text = text[start+end+1:]
	}
	return b.String()
}
