package frames

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// looked are the columns on what was looked up of an address column: its names. Networks have none.
func (t Table) looked(column wire.Column, rows []tableRow, summary *wire.Summary) []*data.Field {
	if column.Field.Type != flow.TypeAddress || column.Prefix > 0 {
		return nil
	}
	var fields []*data.Field
	add := func(suffix, title, description string, of func(netip.Addr) string) {
		texts := make([]string, len(rows))
		for i, r := range rows {
			if !r.other {
				texts[i] = of(addressOf(column, &r.row.Attributes))
			}
		}
		fields = append(fields, data.NewField(column.Name+suffix, nil, texts).SetConfig(&data.FieldConfig{
			DisplayNameFromDS: column.Field.Title + " " + title, Description: description,
		}))
	}
	if t.Named {
		add("_name", "name", "Name of the address in the DNS; empty where it has none.", func(a netip.Addr) string { return summary.Names[a] })
	}
	if t.Enriched {
		add("_country", "country", "Country of the address, by ISO 3166; empty where it is not known.", func(a netip.Addr) string { return summary.Enrichment[a].Country })
		add("_network", "network", "Who announces the address: number and name of the autonomous system.", func(a netip.Addr) string { return network(summary.Enrichment[a]) })
	}
	return fields
}

// network is "AS64500 Example Ltd".
func network(o wire.Origin) string {
	if o.ASN == 0 {
		return OneLine(o.Organisation)
	}
	return strings.TrimSpace("AS" + strconv.FormatUint(uint64(o.ASN), 10) + " " + OneLine(o.Organisation))
}

// addressOf is the address of an address column in a row.
func addressOf(column wire.Column, attributes *wire.Attributes) netip.Addr {
	if column.Field.Name == "sip" {
		return attributes.Source
	}
	return attributes.Destination
}
