package plugin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/frames"
)

// postCommand answers with the command line of a query. A member "range" {from, to} (RFC 3339) beside those of the
// query adds the times; without it, the command line's own default applies.
func (d *DataSource) postCommand(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	if !read(w, r, &body) {
		return
	}
	command, err := d.command(r, body)
	if err != nil {
		respond(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	respond(w, http.StatusOK, map[string]string{"command": command})
}

func (d *DataSource) command(r *http.Request, body json.RawMessage) (string, error) {
	from := backend.DataQuery{JSON: body}
	var times struct {
		Range *struct{ From, To time.Time } `json:"range"`
	}
	if err := json.Unmarshal(body, &times); err != nil {
		return "", fmt.Errorf("read the range: %w", plain(err))
	}
	from.TimeRange = backend.TimeRange{From: d.now().Add(-time.Hour), To: d.now()}
	if times.Range != nil {
		from.TimeRange = backend.TimeRange{From: times.Range.From, To: times.Range.To}
	}
	q, err := d.question(r.Context(), from, false)
	if err != nil {
		return "", err
	}
	return q.commandOnly(r.Context(), times.Range == nil)
}

// Bounds of the values that are proposed for an attribute.
const (
	proposedValues = 100
	proposedSpan   = time.Hour // where no range is given
)

// postValues lists the values of an attribute, those with the most traffic first. The body has "attribute", and may have
// "condition", "interfaces", "hosts", "servers" and "limit" as a query, and "range" {from, to} (RFC 3339).
func (d *DataSource) postValues(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Attribute  string                        `json:"attribute"`
		Condition  string                        `json:"condition"`
		Interfaces string                        `json:"interfaces"`
		Hosts      string                        `json:"hosts"`
		Servers    []string                      `json:"servers"`
		Limit      int64                         `json:"limit"`
		Range      *struct{ From, To time.Time } `json:"range"`
	}
	if !read(w, r, &body) {
		return
	}
	query, err := json.Marshal(Query{
		Version: queryVersion, QueryType: typeVariable, Variable: listValues, Columns: []string{body.Attribute}, Condition: body.Condition,
		Ifaces: body.Interfaces, Hosts: body.Hosts, Servers: body.Servers, Limit: min(max(body.Limit, 0), proposedValues),
	})
	if err != nil {
		respond(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	from := backend.DataQuery{JSON: query, TimeRange: backend.TimeRange{From: d.now().Add(-proposedSpan), To: d.now()}}
	if body.Range != nil {
		from.TimeRange = backend.TimeRange{From: body.Range.From, To: body.Range.To}
	}
	choices, err := d.choices(r, from)
	if err != nil {
		failed := refused(err)
		respond(w, int(failed.Status), map[string]string{"message": failed.Error.Error()})
		return
	}
	respond(w, http.StatusOK, choices)
}

// choices are the values that a variable query lists.
func (d *DataSource) choices(r *http.Request, from backend.DataQuery) ([]frames.Choice, error) {
	q, err := d.question(r.Context(), from, false)
	if err != nil {
		return nil, err
	}
	return q.values(r.Context())
}
