package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// What a variable can list.
const (
	listHosts       = "hosts"
	listInterfaces  = "interfaces"
	listAttributes  = "attributes"
	listLabels      = "labels"      // names of the labels of hosts
	listLabelValues = "labelValues" // values of one label
	listValues      = "values"      // values of the attribute, those with most traffic first
	listLists       = "lists"       // lists of addresses
	listServers     = "servers"
)

func listable() []string {
	return []string{listHosts, listInterfaces, listAttributes, listLabels, listLabelValues, listValues, listLists, listServers}
}

// checkVariable refuses a variable that lacks what it lists the values of.
func (q *Query) checkVariable(columns []wire.Column) error {
	switch {
	case !slices.Contains(listable(), q.Variable):
		return unknown("variable", q.Variable, listable()...)
	case q.Variable == listLabelValues && q.Label == "":
		return errors.New("label: name the label whose values are listed, such as company")
	case q.Variable == listValues && len(columns) != 1:
		return fmt.Errorf("attributes: a variable lists the values of one attribute; there are %d", len(columns))
	case q.Variable == listValues && columns[0].Field.Type == flow.TypeTime:
		return errors.New("attributes: moments are no values of a variable")
	}
	return nil
}

// variable answers with the values of a variable. All kinds but values need no query: the catalogs know them.
func (q *question) variable(ctx context.Context) (*answer, error) {
	if q.query.Variable == listValues {
		words, err := q.values(ctx)
		if err != nil {
			return nil, err
		}
		return &answer{frames: data.Frames{frames.List(words)}}, nil
	}
	words, err := q.source.list(ctx, q.query, q.servers)
	if err != nil {
		return nil, asked(err)
	}
	if limit := int(q.query.Limit); len(words) > limit {
		words = words[:limit]
	}
	return &answer{frames: data.Frames{frames.List(words)}}, nil
}

// values lists the values of an attribute by their traffic.
func (q *question) values(ctx context.Context) ([]frames.Choice, error) {
	s, err := q.span()
	if err != nil {
		return nil, err
	}
	result, _, err := q.flows(ctx, q.request(s), nil)
	if err != nil {
		return nil, err
	}
	if err := allFailed(result); err != nil {
		return nil, err
	}
	choices := make([]frames.Choice, 0, len(result.Rows))
	for _, value := range frames.Values(q.columns[0], result) {
		if value != "" {
			choices = append(choices, frames.Choice{Text: value, Value: value})
		}
	}
	return choices, nil
}
