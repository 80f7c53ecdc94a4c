package wire

import "github.com/weirflow/weir/pkg/flow"

// CatalogFields is the table of fields as it stands in a catalog.
func CatalogFields() []CatalogField {
	var list []CatalogField
	for _, f := range flow.Fields() {
		list = append(list, CatalogField{
			Name: f.Name, Aliases: f.Aliases, Kind: f.Kind.String(), Type: f.Type.String(), Wire: f.Wire,
			Title: f.Title, Description: f.Description, Query: f.Query, Filter: f.Filter,
		})
	}
	return list
}

// CatalogShorthands is the table of shorthands as it stands in a catalog.
func CatalogShorthands() []CatalogShorthand {
	var list []CatalogShorthand
	for _, s := range flow.Shorthands() {
		list = append(list, CatalogShorthand(s))
	}
	return list
}
