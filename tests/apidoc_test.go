//go:build linux

package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
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
}

// apiLine is a line of the page, and the status that its comment says; empty for success.
type apiLine struct{ command, status string }

// component is the schema that the answer has to meet; empty for those that are no JSON object.
func (l apiLine) component(status string) string {
	path := strings.Fields(l.command)[1]
	switch {
	case strings.Contains(l.command, " -i "), status == "204", strings.Contains(l.command, "Accept:"):
		return ""
	case status != "200":
		return "Problem"
	}
	return map[string]string{"/_query": "Result", "/_catalog": "Catalog", "/status": "StatusResponse", "/status/eth0": "StatusResponse", "/-/info": "Info"}[path]
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
