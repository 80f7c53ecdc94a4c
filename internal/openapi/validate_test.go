package openapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/openapi"
	"github.com/weirflow/weir/internal/testenv"
	document "github.com/weirflow/weir/pkg/openapi"
	"github.com/weirflow/weir/pkg/wire"
)

func validator(t *testing.T) *openapi.Validator {
	t.Helper()
	v, err := openapi.NewValidator(document.Document())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every component is a schema, and every path has an answer.
func TestDocument(t *testing.T) {
	var d struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ Responses map[string]any }
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(document.Document()), &d); err != nil || d.OpenAPI != "3.1.0" {
		t.Fatalf("%q, %v", d.OpenAPI, err)
	}
	v := validator(t)
	for name := range d.Components.Schemas {
		if err := v.Validate(name, []byte("7")); err == nil || strings.Contains(err.Error(), "schema of") {
			t.Errorf("%s takes a number: %v", name, err)
		}
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			if len(o.Responses) == 0 {
				t.Errorf("%s %s has no answer", method, path)
			}
		}
	}
	if len(d.Paths) < 10 || len(d.Components.Schemas) < 20 {
		t.Errorf("%d paths, %d components", len(d.Paths), len(d.Components.Schemas))
	}
}

// The golden result has every member that there is.
func TestResults(t *testing.T) {
	v := validator(t)
	golden, err := os.ReadFile(filepath.Join(testenv.Root(), "pkg/wire/testdata/result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var result wire.Result
	if err := json.Unmarshal(golden, &result); err != nil {
		t.Fatal(err)
	}
	result.Rows[0].Attributes.SourceBits, result.Rows[0].Attributes.DestinationBits = 24, 128
	var networks, bare bytes.Buffer
	if err := result.WriteJSON(&networks); err != nil {
		t.Fatal(err)
	}
	if err := (&wire.Result{Status: wire.Status{Code: wire.CodeEmpty}}).WriteJSON(&bare); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"golden": golden, "networks": networks.Bytes(), "bare": bare.Bytes()} {
		if err := v.Validate("Result", body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, change := range [][2]string{{`"br": 3000`, `"br": -1`}, {`"proto": 6`, `"proto": 256`}, {`"verdict": "accepted"`, `"verdict": "maybe"`},
		{`"code": "ok"`, `"code": "fine"`}, {`"dport": 443`, `"sport": 443`}, {`"time_first": "2026`, `"time_first": "26`}, {`"rows": [`, `"Rows": [`}} {
		broken := strings.Replace(string(golden), change[0], change[1], 1)
		if broken == string(golden) {
			t.Errorf("the golden result has no %s", change[0])
		}
		if err := v.Validate("Result", []byte(broken)); err == nil {
			t.Errorf("%s is valid", change[1])
		}
	}
}

// What the schema of a request takes, DecodeRequest takes, and the other way round.
func TestRequests(t *testing.T) {
	v := validator(t)
	full, err := os.ReadFile(filepath.Join(testenv.Root(), "pkg/wire/testdata/request-full.json"))
	if err != nil {
		t.Fatal(err)
	}
	bodies := []string{string(full), `{"query":"sip","ifaces":"any"}`, `{"query":"sip"}`, `{"query":7,"ifaces":"any"}`,
		`{"query":"sip","ifaces":"any","explian":true}`, `{"query":"sip","ifaces":"any","num_results":"3"}`,
		`{"query":"sip","ifaces":"any","actors":{"set":["::1"]},"compare":"1d","explain":true}`, `{"query":"sip","ifaces":"any","actors":{"set":"::1"}}`,
		`{"query":"sip","ifaces":"any","actors":{"sets":[]}}`, `{"query":"sip","ifaces":"any","host_id":-1}`, `{"query":"sip","ifaces":"any","keepalive":1.5}`, `[]`}
	bodies = append(bodies, recorded(t)...)
	for _, body := range bodies {
		valid := v.Validate("Args", []byte(body))
		_, taken := wire.DecodeRequest(strings.NewReader(body), wire.DefaultBodyLimit)
		if (valid == nil) != (taken == nil) {
			t.Errorf("%s\nschema: %v\ndecoder: %v", body, valid, taken)
		}
	}
}

// recorded are the bodies of requests that goProbe's clients were seen to send; none where the folder is absent.
func recorded(t *testing.T) (bodies []string) {
	files, err := filepath.Glob(filepath.Join(testenv.SharedDir(), "goprobe-v4-clients", "*.request.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(strings.ReplaceAll(string(text), "\r", ""), "\n----")
		head, body, _ := strings.Cut(first, "\n\n")
		if strings.HasPrefix(head, "POST /_query") {
			bodies = append(bodies, strings.TrimSpace(body))
		}
	}
	t.Logf("%d recorded requests", len(bodies))
	return bodies
}

func TestProblems(t *testing.T) {
	v := validator(t)
	r := wire.Request{Query: "sip,dipp", Ifaces: "any", Condition: "dport = foo", Actors: &wire.Actors{Set: []string{"x"}}}
	_, err := r.Prepare(time.Unix(1_795_238_400, 0))
	body, failed := json.Marshal(err)
	if failed != nil {
		t.Fatal(failed)
	}
	if err := v.Validate("Problem", body); err != nil {
		t.Errorf("%s: %v", body, err)
	}
}
