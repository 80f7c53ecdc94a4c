package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"unicode"

	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/wire"
)

// hostile are texts that mean harm to whoever shows them: terminals, spreadsheets, browsers, shells, parsers.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\a", "\x1b]52;c;cm0gLXJmIC8=\x07", "\u009b31m", "\r\x1b[Kweir: all is well", "a\nb\r\nweir: forged", "\u202etxt.exe", "e\u0301\u0300",
	"=cmd|'/C calc'!A1", "+1+1", "-2+3", "@SUM(1)", "|calc", "%0A=1", "\t=1", "<script>alert(1)</script>", "</pre><img src=x onerror=alert(1)>",
	`"; rm -rf /; "`, "'; touch owned; '", "$(touch owned)", "`touch owned`", "!!", `a","b`, "\x00", "\xff\xfe", "\\x1b",
}

// evil is a server whose every text is hostile.
func evil(t *testing.T, text string) *httptest.Server {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	result := fmt.Sprintf(`{"hostname":%[1]s,"status":{"code":"ok","message":%[1]s},"hosts_statuses":{"h":{"code":"error","message":%[1]s},%[1]s:{"code":"ok"}},
		"summary":{"interfaces":[%[1]s,"eth0"],"totals":{"br":1},"hits":{"displayed":1,"total":1},"names":{"10.0.0.1":%[1]s},"trace_id":%[1]s,"timings":{"resolution":1},
		"accounting":{"received":1,"metered":1,"dropped":1,"issues":{%[1]s:3}}},
		"query":{"attributes":["sip"],"condition":%[1]s,"lookups":{%[1]s:["10.0.0.1"]}},
		"rows":[{"labels":{"iface":%[1]s,"host":%[1]s,"host_id":%[1]s},"attributes":{"sip":"10.0.0.1"},"counters":{"br":1}}]}`, quoted)
	mux := http.NewServeMux()
	mux.HandleFunc("/-/info", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"name":"weir-probe","version":%s}`, quoted)
	})
	mux.HandleFunc("POST /_query", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, result) })
	mux.HandleFunc("/_catalog", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"kind":"probe","host":%[1]s,"host_id":%[1]s,"labels":{%[1]s:%[1]s},"now":"2026-11-21T05:22:00Z","interfaces":[{"name":%[1]s}]}`, quoted)
	})
	mux.HandleFunc("/config", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"ifaces":{%s:{}}}`, quoted) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", wire.ProblemType)
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"title":%[1]s,"detail":%[1]s,"errors":[{"message":%[1]s,"location":"body.condition"}]}`, quoted)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// TestHostileAnswers shows hostile names of interfaces, hosts, addresses and errors in all formats: nothing reaches a
// terminal but text, no cell of a spreadsheet is a formula, JSON stays JSON.
func TestHostileAnswers(t *testing.T) {
	for _, text := range hostile {
		server := evil(t, text)
		run := func(arguments ...string) (stdout, stderr string) {
			var out, complaints bytes.Buffer
			a := standard()
			a.stdout, a.stderr, a.now = &out, &complaints, nowInTests
			a.run(t.Context(), arguments)
			return out.String(), complaints.String()
		}
		for _, arguments := range [][]string{
			{"query", "--server", server.URL, "-i", "any", "-r", "host,hostid,sip"},
			{"query", "--server", server.URL, "-i", "any", "-r", "-e", "csv", "host,hostid,sip"},
			{"query", "--server", server.URL, "-i", "any", "-r", "-e", "json", "sip"},
			{"query", "--server", server.URL, "-i", "any", "-r", "-e", "ndjson", "sip"},
			{"query", "--server", server.URL, "-i", "any", "-c", "sip = " + text, "sip"},
			{"query", "--server", server.URL, "-i", text, "sip"},
			{"query", "--server", text, "-i", "any", "sip"},
			{"query", "--server", server.URL, "-i", "any", text},
			{"query", "--server", server.URL, "-i", "any", "--" + text, "sip"},
			{"list", "--server", server.URL, "--coverage"}, {"hosts", "--server", server.URL}, {"hosts", "--server", text},
			{"list", "--server", server.URL, "--coverage", "-e", "json"}, {"hosts", "--server", server.URL, "-e", "json"},
			{"config", "--server", server.URL, "-e", "json"}, {"config", "--server", server.URL}, {"config", "--server", server.URL, "-r"}, {"status", "--server", server.URL},
			{"actors", "check", text}, {text},
		} {
			stdout, stderr := run(arguments...)
			for _, output := range []string{stdout, stderr} {
				forbidden := acts
				if strings.Contains(strings.Join(arguments, " "), "json") { // which keeps letters with their marks
					forbidden = func(r rune) bool { return acts(r) && !unicode.Is(unicode.M, r) }
				}
				if at := strings.IndexFunc(output, forbidden); at >= 0 {
					t.Errorf("%q: a character that acts on a terminal in %q", arguments, output[max(at-20, 0):min(at+20, len(output))])
				}
			}
			for line := range strings.Lines(stderr) {
				if !strings.HasPrefix(line, "weir: ") && !strings.HasPrefix(line, "hint: ") && !strings.HasPrefix(line, "note: ") && !strings.HasPrefix(line, "  ") &&
					!strings.Contains(line, " : ") {
					t.Errorf("%q: a line of somebody else: %q", arguments, line)
				}
			}
			switch {
			case strings.Contains(strings.Join(arguments, " "), "-e csv"):
				noFormula(t, stdout)
			case strings.Contains(strings.Join(arguments, " "), "json"):
				if !json.Valid([]byte(stdout)) || strings.Contains(stdout, "<script") {
					t.Errorf("%q writes %q", arguments, stdout)
				}
			}
		}
	}
}

// acts says that a character does something else to a terminal than to take a place on it, line feeds aside.
func acts(r rune) bool {
	return r != '\n' && !unicode.IsPrint(r) || unicode.Is(unicode.M, r)
}

// noFormula reads CSV as a spreadsheet does: no cell may begin with what starts a formula there.
func noFormula(t *testing.T, text string) {
	t.Helper()
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil || len(records) < 3 {
		t.Fatalf("%d records of %q: %v", len(records), text, err)
	}
	for _, record := range records {
		for _, cell := range record {
			if cell != "" && cell != "%" && strings.ContainsRune("=+-@|%\t\r", rune(cell[0])) {
				t.Errorf("the cell %q is a formula", cell)
			}
		}
	}
}

// TestHostileLine lets a shell run the executed query line of a hostile request: it passes one argument each, and runs
// nothing else.
func TestHostileLine(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skipf("%s: bash is not installed", t.Name())
	}
	for _, text := range hostile {
		line := queryargs.Command(&wire.Request{Query: "sip", Ifaces: text, Condition: text, QueryHosts: text, First: text}, queryargs.Options{Servers: []string{text}})
		if strings.ContainsFunc(line, func(r rune) bool { return r == '\n' || acts(r) }) {
			t.Errorf("the line %q is no line", line)
		}
		command := exec.CommandContext(t.Context(), bash, "-c", `weir() { printf '%s\0' "$@"; }; `+line)
		command.Dir = t.TempDir()
		output, err := command.Output()
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		want := strings.ReplaceAll(text, "\x00", "\ufffd")
		if n := strings.Count("\x00"+string(output), "\x00"+want+"\x00"); n != 5 && n != 3 { // neighbours share the NUL between them
			t.Errorf("%s passes %q %d times: %q", line, want, n, output)
		}
		if files, err := exec.Command("ls", "-A", command.Dir).Output(); err != nil || len(files) > 0 {
			t.Errorf("%s left %s, %v", line, files, err)
		}
	}
}
