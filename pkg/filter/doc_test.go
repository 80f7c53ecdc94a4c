package filter

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
)

var update = flag.Bool("update", false, "write docs/FILTER.md")

func TestDocumentedCases(t *testing.T) {
	for name, cases := range docTables {
		for _, c := range cases {
			t.Run(name+"/"+c.example, func(t *testing.T) {
				want := c.canonical
				if want == "" {
					want = c.example
				}
				if got := mustParse(t, c.example).String(); got != want {
					t.Errorf("canonical text is %q, want %q", got, want)
				}
				if got := mustParse(t, want).String(); got != want {
					t.Errorf("the canonical text %q turns into %q", want, got)
				}
				if got, want := matching(t, c.example), c.matches; sorted(got) != sorted(want) {
					t.Errorf("matches %q, want %q", got, want)
				}
				if got := matching(t, want); sorted(got) != sorted(c.matches) {
					t.Errorf("the canonical text matches %q, want %q", got, c.matches)
				}
			})
		}
	}
}

func TestFaultsOfGoProbe(t *testing.T) {
	for _, c := range docFaults {
		if got := matching(t, c.condition); sorted(got) != sorted(c.matches) {
			t.Errorf("%q matches %q, want %q", c.condition, got, c.matches)
		}
	}
	for _, length := range []string{"-1", "-9", "33", "129", "08", "+8", "", "8/8", "1e1"} {
		for _, base := range []string{"10.0.0.0", "::ffff:1.2.3.4", "2001:db8::"} {
			if c, err := Parse("snet = " + base + "/" + length); err == nil && (length != "33" || base == "10.0.0.0") {
				t.Errorf("%s/%s is read as %q", base, length, c)
			}
		}
	}
}

func sorted(names string) string {
	fields := strings.Fields(names)
	m := make(map[string][]string, len(fields))
	for _, f := range fields {
		m[f] = nil
	}
	return strings.Join(sortedKeys(m), " ")
}

// docErrors are conditions that are refused, for docs/FILTER.md; their messages are in its golden text.
var docErrors = []string{
	"proto = tcp & dprot = 443",
	"dport = 80 443",
	"dport = http",
	"(dport = 80 | dport = 443",
	"sip = 10.0.0.0/33",
	"sip > 10.0.0.1",
	"verdict = acepted",
	"dport = 80 | dir = in",
	"snet = 10.0.0.1",
	"rtt > 50",
}

// TestDocumentation compares docs/FILTER.md with what the template and the cases give; -update writes it.
func TestDocumentation(t *testing.T) {
	page := template.Must(template.New("FILTER.md.tmpl").Funcs(template.FuncMap{
		"table": docTable, "errors": docErrorList, "faults": docFaultTable, "classes": docClasses, "attributes": docAttributes,
		"limits": func() map[string]int {
			return map[string]int{"text": MaxText >> 20, "terms": MaxTerms, "items": MaxItems, "names": MaxNames, "depth": MaxDepth}
		},
	}).ParseFiles(filepath.Join("testdata", "FILTER.md.tmpl")))
	var want bytes.Buffer
	if err := page.Execute(&want, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(testenv.Root(), "docs", "FILTER.md")
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("docs/FILTER.md is not what the tests say (go test ./pkg/filter -update writes it): -want +got\n%s", diff)
	}
}

func docTable(name string) (string, error) {
	cases, ok := docTables[name]
	if !ok {
		return "", fmt.Errorf("no table %q", name)
	}
	var b strings.Builder
	b.WriteString("| example | canonical text, if another | meaning | goProbe |\n|---|---|---|---|\n")
	for _, c := range cases {
		canonical := ""
		if c.canonical != "" {
			canonical = code(c.canonical)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(c.example), canonical, strings.ReplaceAll(c.meaning, "|", `\|`), c.compared)
	}
	return b.String(), nil
}

func docFaultTable() string {
	var b strings.Builder
	b.WriteString("| condition | goProbe | here |\n|---|---|---|\n")
	for _, c := range docFaults {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code(c.condition), c.goprobe, c.here)
	}
	return b.String()
}

func code(s string) string { return "`" + strings.ReplaceAll(s, "|", `\|`) + "`" }

func docErrorList() (string, error) {
	var b strings.Builder
	for i, text := range docErrors {
		_, err := Parse(text)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return "", fmt.Errorf("%q is not refused", text)
		}
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(e.Diagram() + "\n")
	}
	return b.String(), nil
}

func docClasses() string {
	var b strings.Builder
	b.WriteString("| class | addresses |\n|---|---|\n")
	for _, c := range classTable {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.name, c.description)
	}
	return b.String()
}

func docAttributes() string {
	var b strings.Builder
	b.WriteString("| attribute | also | operators | what |\n|---|---|---|---|\n")
	for _, a := range append(append([]attribute(nil), attributes...), *labelAttribute) {
		var aliases, operators []string
		for _, alias := range a.aliases {
			aliases = append(aliases, "`"+alias+"`")
		}
		for _, o := range kindOperators[a.kind] {
			operators = append(operators, "`"+o.String()+"`")
		}
		name := a.name
		if name == labelPrefix {
			name += "KEY"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.Join(aliases, " "), strings.Join(operators, " "), a.description)
	}
	return b.String()
}
