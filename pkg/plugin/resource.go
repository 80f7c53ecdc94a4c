package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// resourceBody is the largest body of a resource call: a query with a long condition is a few kilobytes.
const resourceBody = 1 << 20

// routes are the resources the editors ask for. Whoever may query the data source may call them.
func (d *DataSource) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /catalog", d.getCatalog)
	mux.HandleFunc("GET /interfaces", d.getInterfaces)
	mux.HandleFunc("GET /fields", d.getFields)
	mux.HandleFunc("POST /validate", d.postValidate)
	mux.HandleFunc("POST /command", d.postCommand)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, bodyOf(r), resourceBody)
		mux.ServeHTTP(w, r)
	})
}

// bodyOf is never nil: the adapter leaves out an empty body.
func bodyOf(r *http.Request) io.ReadCloser {
	if r.Body == nil {
		return http.NoBody
	}
	return r.Body
}

// Catalog is what the editors know of the servers; it mirrors Catalog in src/types.ts.
type Catalog struct {
	Servers    []CatalogServer         `json:"servers"`
	Interfaces []CatalogInterface      `json:"interfaces"`
	Fields     []wire.CatalogField     `json:"fields"`
	Shorthands []wire.CatalogShorthand `json:"shorthands"`
}

// CatalogServer is a configured server and what it says of itself.
type CatalogServer struct {
	Name    string        `json:"name"`
	URL     string        `json:"url"`
	State   wire.State    `json:"state"` // ok or error
	Error   string        `json:"error,omitempty"`
	Catalog *wire.Catalog `json:"catalog,omitempty"`
}

// CatalogInterface is an interface's name and the servers that have it.
type CatalogInterface struct {
	Name    string   `json:"name"`
	Servers []string `json:"servers"`
}

// catalog sums up what the servers say. Of a fleet without any answer, the fields are those this plugin knows, so
// that the editor works.
func (d *DataSource) catalog(known []fleet.HostCatalog) Catalog {
	c := Catalog{Servers: []CatalogServer{}, Interfaces: []CatalogInterface{}}
	for _, s := range d.servers {
		at := slices.IndexFunc(known, func(h fleet.HostCatalog) bool { return h.Name == s.Name })
		entry := CatalogServer{Name: s.Name, URL: s.URL, State: wire.StateOK}
		switch {
		case at < 0:
			entry.State, entry.Error = wire.StateTimeout, "no answer yet"
		case known[at].Err != nil:
			entry.State, entry.Error = wire.StateError, frames.OneLine(known[at].Err.Error())
		default:
			entry.Catalog = known[at].Catalog
			c.add(s.Name, known[at].Catalog)
		}
		c.Servers = append(c.Servers, entry)
	}
	slices.SortFunc(c.Interfaces, func(a, b CatalogInterface) int { return strings.Compare(a.Name, b.Name) })
	if len(c.Fields) == 0 {
		c.Fields = wire.CatalogFields()
	}
	if len(c.Shorthands) == 0 {
		c.Shorthands = wire.CatalogShorthands()
	}
	return c
}

// add takes in what one server says.
func (c *Catalog) add(server string, said *wire.Catalog) {
	for _, i := range said.Interfaces {
		at := slices.IndexFunc(c.Interfaces, func(have CatalogInterface) bool { return have.Name == i.Name })
		if at < 0 {
			at = len(c.Interfaces)
			c.Interfaces = append(c.Interfaces, CatalogInterface{Name: i.Name})
		}
		c.Interfaces[at].Servers = append(c.Interfaces[at].Servers, server)
	}
	for _, f := range said.Fields {
		if !slices.ContainsFunc(c.Fields, func(have wire.CatalogField) bool { return have.Name == f.Name }) {
			c.Fields = append(c.Fields, f)
		}
	}
	for _, s := range said.Shorthands {
		if !slices.ContainsFunc(c.Shorthands, func(have wire.CatalogShorthand) bool { return have.Name == s.Name }) {
			c.Shorthands = append(c.Shorthands, s)
		}
	}
}

func (d *DataSource) getCatalog(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, d.catalog(d.catalogs.get(r.Context())))
}

// getInterfaces lists the names of interfaces; ?server=a&server=b asks for those of these servers.
func (d *DataSource) getInterfaces(w http.ResponseWriter, r *http.Request) {
	wanted := r.URL.Query()["server"]
	names := []string{}
	for _, i := range d.catalog(d.catalogs.get(r.Context())).Interfaces {
		has := func(server string) bool { return slices.Contains(i.Servers, server) }
		if len(wanted) == 0 || slices.ContainsFunc(wanted, has) {
			names = append(names, i.Name)
		}
	}
	respond(w, http.StatusOK, names)
}

func (d *DataSource) getFields(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, d.catalog(d.catalogs.get(r.Context())).Fields)
}

// validation is the answer of POST validate.
type validation struct {
	Valid      bool             `json:"valid"`
	Normalised string           `json:"normalised,omitempty"`
	Error      *validationError `json:"error,omitempty"`
}

// validationError points at the part of the condition that is wrong; offset and length count bytes.
type validationError struct {
	Message  string   `json:"message"`
	Offset   int      `json:"offset"`
	Length   int      `json:"length"`
	Expected []string `json:"expected"`
	Nearest  string   `json:"nearest"`
	Diagram  string   `json:"diagram"`
}

// postValidate checks a condition. A wrong condition is an answer, not a failure of the call.
func (d *DataSource) postValidate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Condition string `json:"condition"`
	}
	if !read(w, r, &body) {
		return
	}
	condition, err := filter.Parse(body.Condition)
	if err == nil {
		respond(w, http.StatusOK, validation{Valid: true, Normalised: condition.String()})
		return
	}
	fault := &validationError{Message: err.Error(), Length: len(body.Condition), Expected: []string{}}
	var at *filter.Error
	if errors.As(err, &at) {
		fault.Message, fault.Offset, fault.Length = at.Message, at.Offset, at.Length
		fault.Expected = append(fault.Expected, at.Expected...)
		fault.Nearest, fault.Diagram = at.Nearest, at.Diagram()
	}
	respond(w, http.StatusOK, validation{Error: fault})
}

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
	asked := backend.DataQuery{JSON: body}
	var times struct {
		Range *struct{ From, To time.Time } `json:"range"`
	}
	if err := json.Unmarshal(body, &times); err != nil {
		return "", fmt.Errorf("read the range: %w", plain(err))
	}
	asked.TimeRange = backend.TimeRange{From: d.now().Add(-time.Hour), To: d.now()}
	if times.Range != nil {
		asked.TimeRange = backend.TimeRange{From: times.Range.From, To: times.Range.To}
	}
	q, err := d.question(asked, false)
	if err != nil {
		return "", err
	}
	return q.commandOnly(r.Context(), times.Range == nil)
}

// read decodes a JSON body, or answers what is wrong with it and returns false.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		respond(w, http.StatusRequestEntityTooLarge, map[string]string{"message": fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)})
	case err != nil:
		respond(w, http.StatusBadRequest, map[string]string{"message": "read the body: " + plain(err).Error()})
	}
	return err == nil
}

func respond(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"message":"the answer can't be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text) // nobody is left to tell
}
