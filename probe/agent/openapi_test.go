package agent

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/openapi"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/natshttp"
	document "github.com/weirflow/weir/pkg/openapi"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

var updateOpenAPI = flag.Bool("update-openapi", false, "rewrite pkg/openapi/openapi.json")

const jsonType = "application/json"

func contract() openapi.Config {
	const query, admin, wirePath = "query", "admin", "github.com/weirflow/weir/pkg/wire"
	problem := func(status int, text string) openapi.Response {
		return openapi.Response{Status: status, Description: text, Contents: []openapi.Body{{MediaType: wire.ProblemType, Type: wire.Problem{}}}}
	}
	faults := []openapi.Response{
		problem(400, "The body is no JSON object."), problem(401, "No credentials, or unknown ones."), problem(403, "Not from this network, or another role is needed."),
		problem(413, "The body is too long."), problem(422, "The request is not valid; errors lists everything that is wrong."),
		problem(429, "More requests than the server's rate allows; Retry-After says when to come back."), problem(503, "A limit on time, memory, rows or queries at once."),
	}
	answers := func(first openapi.Response) []openapi.Response { return append([]openapi.Response{first}, faults...) }
	says := func(text string, value any) []openapi.Response {
		return []openapi.Response{{Status: 200, Description: text, Contents: []openapi.Body{{MediaType: jsonType, Type: value}}}}
	}
	request := &openapi.Body{MediaType: jsonType, Type: wire.Request{}}
	interfaces := []openapi.Parameter{{Name: "ifaces", Description: "Names, by commas.", Schema: openapi.Schema{"type": "string"}}}
	inPath := []openapi.Parameter{{Name: "iface", Description: "A name, or several by commas.", InPath: true, Schema: openapi.Schema{"type": "string", "minLength": 1}}}
	listInPath := []openapi.Parameter{{Name: "list", Description: "The name or the hash of a list.", InPath: true, Schema: openapi.Schema{"type": "string", "minLength": 1}}}
	ofUpload := []openapi.Parameter{
		{Name: "name", Description: "What conditions call the list; for admins.", Schema: openapi.Schema{"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}},
		{Name: "format", Description: "Found out where it is left away.", Schema: openapi.Schema{"type": "string", "enum": []string{"plain", "csv"}}},
	}
	noneKnown := openapi.Response{Status: 204, Description: "None of the interfaces is known."}
	return openapi.Config{
		Title: "Weir", Version: "1", Description: "goProbe v4's HTTP contract, extended. docs/API.md says what the members mean.",
		Root: testenv.Root(), Module: "github.com/weirflow/weir/", Packages: []string{wirePath, "github.com/weirflow/weir/pkg/serve", "github.com/weirflow/weir/probe/agent", "github.com/weirflow/weir/pkg/actors", "github.com/weirflow/weir/pkg/natshttp"},
		Names: map[reflect.Type]string{reflect.TypeFor[wire.Request](): "Args", reflect.TypeFor[Status](): "StatusResponse",
			reflect.TypeFor[actors.Health](): "ListHealth", reflect.TypeFor[natshttp.Status](): "NATSStatus", reflect.TypeFor[actors.Fault](): "ListFault",
			reflect.TypeFor[configAnswer](): "ConfigResponse", reflect.TypeFor[changeAnswer](): "ConfigUpdateResponse"},
		Overrides: openapi.Overrides{
			"HostLabels":                        {"type": "object", "additionalProperties": openapi.Schema{"type": "string"}},
			"Args":                              {"additionalProperties": false, "patternProperties": openapi.Schema{`^\$schema$`: openapi.Schema{"description": "Taken and ignored."}}},
			"DNSResolution":                     {"additionalProperties": false},
			"Actors":                            {"additionalProperties": false},
			"Args.query":                        {"minLength": 1},
			"Args.ifaces":                       {"minLength": 1},
			"Args.format":                       {"enum": []string{"", "json", "csv", "txt"}},
			"Args.sort_by":                      {"enum": []string{"", "bytes", "packets", "time"}},
			"Args.num_results":                  {"minimum": 0},
			"Args.max_mem_pct":                  {"minimum": 0, "maximum": 100},
			"Args.keepalive":                    {"minimum": 0},
			"Code":                              {"enum": []wire.Code{wire.CodeOK, wire.CodeEmpty, wire.CodeMissingData, wire.CodeError, wire.CodeTooManyRequests}},
			"State":                             {"enum": []wire.State{wire.StateOK, wire.StateEmpty, wire.StateNoData, wire.StatePartial, wire.StateError, wire.StateTimeout, wire.StateSkipped, wire.StateOutsideCoverage}},
			"InterfaceConfig.extra_bpf_filters": {"type": []string{"array", "null"}},
			"Attributes.verdict":                {"enum": flow.VerdictNames()},
			"Attributes":                        {"patternProperties": openapi.Schema{`^[sd]ip/([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])$`: openapi.Schema{"type": "string", "description": "A network, where the query groups by sip/N or dip/N: 10.1.0.0/16."}}, "additionalProperties": false},
			"Counters":                          {"additionalProperties": false},
			"Row":                               {"additionalProperties": false},
			"ExplainStep.method":                {"enum": []string{"rollup", "totals", "sums", "rows", "skipped"}},
			"Grade":                             {"enum": []actors.Grade{actors.StateOK, actors.StateWarning, actors.StateAlarm}},
			"CatalogField.kind":                 {"enum": []string{"attribute", "label", "counter"}},
			"DNSResolution.timeout":             {"minimum": 0},
		},
		Operations: []openapi.Operation{
			{Method: "POST", Path: "/_query", Summary: "Ask a question.", Role: query, Request: request,
				Responses: append(answers(openapi.Response{Status: 200, Description: "The answer, in the format that Accept asks for.", Contents: []openapi.Body{
					{MediaType: jsonType, Type: wire.Result{}}, {MediaType: wire.FormatNDJSON.MediaType()}, {MediaType: wire.FormatArrow.MediaType()}}}),
					problem(406, "None of the formats that are accepted can be written."))},
			{Method: "POST", Path: "/_query/sse", Summary: "Ask a question, with the answers so far as they come: partialResult, finalResult, queryError.", Role: query, Request: request,
				Responses: answers(openapi.Response{Status: 200, Description: "A stream of events.", Contents: []openapi.Body{{MediaType: "text/event-stream"}}})},
			{Method: "POST", Path: "/_query/validate", Summary: "Would the question be answered?", Role: query, Request: request,
				Responses: answers(openapi.Response{Status: 204, Description: "Yes."})},
			{Method: "GET", Path: "/_query/validate", Summary: "Would the question be answered?", Role: query,
				Parameters: openapi.QueryParameters(wire.Request{}, wire.ParameterNames()), Responses: answers(openapi.Response{Status: 204, Description: "Yes."})},
			{Method: "GET", Path: "/_catalog", Summary: "What can be asked.", Role: query, Responses: says("Interfaces, fields, features and limits.", wire.Catalog{})},
			{Method: "GET", Path: "/status", Summary: "What is captured.", Role: query, Parameters: interfaces, Responses: append(says("The state of the interfaces.", Status{}), noneKnown)},
			{Method: "GET", Path: "/status/{iface}", Summary: "What is captured.", Role: query, Parameters: inPath, Responses: append(says("The state of the interfaces.", Status{}), noneKnown)},
			{Method: "GET", Path: "/config", Summary: "How the interfaces are captured.", Role: query, Parameters: interfaces, Responses: append(says("The settings of the interfaces.", configAnswer{}), noneKnown)},
			{Method: "GET", Path: "/config/{iface}", Summary: "How an interface is captured.", Role: query, Parameters: inPath, Responses: append(says("The settings of the interfaces.", configAnswer{}), noneKnown)},
			{Method: "PUT", Path: "/config", Summary: "Capture these interfaces and no others, until a reload or restart.", Role: admin, Request: &openapi.Body{MediaType: jsonType, Type: map[string]interfaceConfig{}}, Responses: append(says("What has changed.", changeAnswer{}), faults...)},
			{Method: "POST", Path: "/config/_reload", Summary: "Capture what the configuration file says.", Role: admin, Responses: append(says("What has changed.", changeAnswer{}), problem(400, "The file is not valid."))},
			{Method: "GET", Path: "/_actors", Summary: "The lists of addresses that are here.", Role: query, Responses: says("Their health.", actorLists{})},
			{Method: "GET", Path: "/_actors/{list}", Summary: "Is a list here?", Role: query, Parameters: listInPath, Responses: append(says("Its health.", actors.Health{}), problem(404, "It is not."))},
			{Method: "POST", Path: "/_actors", Summary: "Upload a list of addresses, for @HASH in conditions.", Role: query, Parameters: ofUpload, Request: &openapi.Body{MediaType: "text/plain"}, Responses: append(append(says("It was here before.", actors.Health{}), openapi.Response{Status: 201, Description: "It is here now.", Contents: []openapi.Body{{MediaType: jsonType, Type: actors.Health{}}}}), faults...)},
			{Method: "GET", Path: "/openapi.json", Summary: "This description.", Role: query, Responses: []openapi.Response{{Status: 200, Description: "OpenAPI 3.1.", Contents: []openapi.Body{{MediaType: document.MediaType}}}}},
			{Method: "GET", Path: "/-/info", Summary: "Name and version.", Role: query, Responses: says("Name and version.", serve.Info{})},
			{Method: "GET", Path: "/-/health", Summary: "Is the server running?", Responses: says("It is.", health{})},
			{Method: "GET", Path: "/-/ready", Summary: "Can it be asked?", Role: query, Responses: says("It can.", health{})},
			{Method: "GET", Path: "/metrics", Summary: "Metrics for Prometheus.", Role: query, Responses: []openapi.Response{{Status: 200, Description: "Metrics.", Contents: []openapi.Body{{MediaType: "text/plain"}}}}},
		},
	}
}

// actorLists is the answer of GET /_actors.
type actorLists struct {
	Lists []actors.Health `json:"lists"`
}

// health is the answer of the two endpoints that say one word.
type health struct {
	Status string `json:"status"`
}

// The description is what the types are now: go test ./probe/agent -run OpenAPI -update-openapi.
func TestOpenAPI(t *testing.T) {
	got, err := openapi.Generate(contract())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(testenv.Root(), "pkg", "openapi", "openapi.json")
	if *updateOpenAPI {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error("openapi.json is out of date, run go test ./probe/agent -run OpenAPI -update-openapi: " + diff)
	}
	var decoded map[string]any
	if err := json.NewDecoder(bytes.NewReader(want)).Decode(&decoded); err != nil {
		t.Fatal(err)
	}
	if text := string(want); strings.Contains(text, `"$ref": ""`) || !strings.Contains(text, `"time_resolution"`) {
		t.Error("the description lacks the request")
	}
}
