package frames

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Choice is one value of a variable: what it shows, and what stands for it in queries.
type Choice struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// List is the frame of the values of a variable.
func List(choices []Choice) *data.Frame {
	texts, values := make([]string, len(choices)), make([]string, len(choices))
	for i, c := range choices {
		texts[i], values[i] = c.Text, c.Value
	}
	frame := data.NewFrame("", data.NewField("text", nil, texts), data.NewField("value", nil, values))
	frame.SetMeta(meta(data.FrameTypeTable))
	return frame
}

// Values are those of a column in the rows of a result, in their order.
func Values(column wire.Column, result *wire.Result) []string {
	list := make([]string, len(result.Rows))
	for i := range result.Rows {
		list[i] = text(column, &result.Rows[i].Labels, &result.Rows[i].Attributes)
	}
	return list
}
