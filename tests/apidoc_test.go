//go:build linux

package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/openapi"
	"github.com/weirflow/weir/internal/testenv"
	document "github.com/weirflow/weir/pkg/openapi"
)

// The lines of docs/API.md answer as the page says, and what they answer is what the OpenAPI description says.
func TestLinesOfTheAPIPage(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "ping", "curl", "bash")
	validator, err := openapi.NewValidator(document.Document())
	if err != nil {
		t.Fatal(err)
	}
	c := newCable(t)
	c.plug(t)
	p := newProbe(t, c.near.Command, settings{iface: cableEnd, meter: "interval: 5s, checkpoint: 1s"})
	p.run(t)
	succeed(t, patience, c.near.Command("ping", "-c", "2", "-i", "0.1", far4))
	lines, definition := apiLines(t)
	if len(lines) < 20 {
		t.Fatalf("the page has %d lines that can be run", len(lines))
	}
	definition = strings.Replace(definition, "/run/weir/probe.sock", p.socket, 1)
	for _, line := range lines {
		body, status := curlLine(t, definition, line.command)
		if status != line.status && (line.status != "" || status != "200" && status != "204") {
			t.Errorf("%s\nanswers %s\n%s", line.command, status, body)
			continue
		}
		if component := line.component(status); component != "" {
			if err := validator.Validate(component, body); err != nil {
				t.Errorf("%s\nanswers\n%s\nwhich is no %s: %v", line.command, body, component, err)
			}
		}
	}
	checkExtensions(t, p, validator)
}

// checkExtensions asks for networks, an earlier span, a set of addresses and an explanation at once.
func checkExtensions(t *testing.T, p *probe, validator *openapi.Validator) {
	t.Helper()
	ask := func(set string) (body []byte, rows []map[string]map[string]any, explained bool) {
		body, err := p.call(http.MethodPost, "/_query", []byte(`{"query":"sip/24,dip","ifaces":"any","first":"-1h","live":true,"merge":true,
			"compare":"1d","explain":true,"actors":{"set":["`+set+`"]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := validator.Validate("Result", body); err != nil {
			t.Errorf("%s\nis no result: %v", body, err)
		}
		var answer struct {
			Summary struct{ Explain *struct{ Steps []any } }
			Rows    []map[string]map[string]any
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
		return body, answer.Rows, answer.Summary.Explain != nil
	}
	body, rows, explained := ask(far4)
	network := near4[:strings.LastIndex(near4, ".")] + ".0/24"
	if len(rows) == 0 || !explained {
		t.Fatalf("no rows, or no explanation: %s", body)
	}
	for _, row := range rows {
		if row["attributes"]["sip/24"] != network || row["before"] == nil {
			t.Errorf("row %v, want sip/24 = %s and what was before", row, network)
		}
	}
	if body, rows, _ := ask("192.0.2.77"); len(rows) > 0 {
		t.Errorf("an address that nobody has: %s", body)
	}
}

// apiLine is a line of the page, and the status that its comment says; empty for success.
type apiLine struct{ command, status string }

// component is the schema that the answer has to meet; empty for those that are no JSON object.
func (l apiLine) component(status string) string {
	path := strings.Fields(l.command)[1]
	switch {
	case strings.Contains(l.command, " -i "), status == "204", strings.Contains(l.command, "Accept:"):
		return ""
	case status == "201":
		return "ListHealth"
	case status != "200":
		return "Problem"
	case strings.Contains(l.command, "/config") && strings.Contains(l.command, " -X "):
		return "ConfigUpdateResponse"
	}
	return map[string]string{"/config": "ConfigResponse", "/config/eth0": "ConfigResponse", "/_actors/c2": "ListHealth", "/_query": "Result", "/_catalog": "Catalog", "/status": "StatusResponse", "/status/eth0": "StatusResponse", "/-/info": "Info"}[path]
}

// apiLines are the lines of the page that can be run, and the shell's function that they call.
func apiLines(t *testing.T) (lines []apiLine, definition string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", "API.md"))
	if err != nil {
		t.Fatal(err)
	}
	code := false
	for scanner := bufio.NewScanner(bytes.NewReader(page)); scanner.Scan(); {
		line := scanner.Text()
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case code && strings.HasPrefix(line, "probe() {"):
			definition = line
		case code && strings.HasPrefix(line, "probe "):
			command, status, _ := strings.Cut(line, " # ")
			lines = append(lines, apiLine{command, status})
		}
	}
	return lines, definition
}

// curlLine runs a line as a person does, and returns the body and the status.
func curlLine(t *testing.T, definition, line string) (body []byte, status string) {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(`write-out = "%{stderr}%{http_code}"`), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("bash", "-c", definition+"\n"+line)
	command.Env = append(os.Environ(), "CURL_HOME="+home)
	var output, errors bytes.Buffer
	command.Stdout, command.Stderr = &output, &errors
	if err := command.Run(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, errors.String())
	}
	if output.Len() > 0 && output.Bytes()[0] == '{' && !json.Valid(output.Bytes()) && !strings.Contains(line, "Accept:") {
		t.Errorf("%s\nanswers no JSON:\n%s", line, output.String())
	}
	return output.Bytes(), errors.String()
}
