package config

import (
	"encoding"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/configfile"
	"github.com/weirflow/weir/pkg/serve"
)

var update = flag.Bool("update", false, "write example.yaml anew")

// sections are the packages whose structs make up the configuration.
var sections = []string{"probe/config", "probe/agent", "probe/store", "probe/meter", "probe/table", "pkg/serve", "pkg/natshttp", "pkg/enrich", "pkg/telemetry"}

func TestExampleIsGeneratedFromTheStructs(t *testing.T) {
	comments := map[string]string{}
	for _, s := range sections {
		collect(t, s, comments)
	}
	g := generator{t: t, comments: comments}
	g.text.WriteString("# Configuration of weir-probe: every key, its meaning and its default. Keys that are left out have the default.\n")
	g.value(reflect.ValueOf(Default()), 0)
	got := g.text.String()
	if *update {
		if err := os.WriteFile("example.yaml", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("example.yaml is not what the structs say (-file +structs); go test ./probe/config -update:\n%s", diff)
	}
}

func TestExampleIsTheDefault(t *testing.T) {
	got, err := Parse([]byte(Example()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("example.yaml differs from the defaults (-default +example):\n%s", diff)
	}
	// The commented alternatives must be readable, too.
	var open strings.Builder
	for line := range strings.Lines(Example()) {
		open.WriteString(strings.Replace(line, "#- ", "- ", 1))
	}
	text := strings.ReplaceAll(open.String(), "#  ", "  ")
	cfg, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if len(cfg.API.Listen) != 3 || len(cfg.API.Tokens) != 1 || cfg.API.Tokens[0].Role != serve.RoleQuery {
		t.Errorf("the alternatives say %+v", cfg.API)
	}
}

// collect reads the comments of struct fields as "Package.Type.Field".
func collect(t *testing.T, pkg string, comments map[string]string) {
	files, err := filepath.Glob(filepath.Join(testenv.Root(), pkg, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", pkg, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range structure.Fields.List {
				for _, n := range f.Names {
					comments[filepath.Base(pkg)+"."+spec.Name.Name+"."+n.Name] = f.Doc.Text() + f.Comment.Text()
				}
			}
			return true
		})
	}
}

type generator struct {
	t        *testing.T
	comments map[string]string
	text     strings.Builder
}

// examples stand, commented out, beside lists that the default leaves short.
var examples = map[string][]string{
	"serve.Config.Listen": {
		`#- tcp: ":8145"`,
		`#  tls: {certificate: /etc/weir/tls.crt, key: /etc/weir/tls.key, client_ca: ""}`,
		`#- tcp: "127.0.0.1:8146" # for clients that cannot authenticate, such as goQuery`,
		`#  insecure: {allow: [127.0.0.0/8], role: query}`,
	},
	"serve.Config.Tokens": {
		`#- name: grafana # weir-probe token makes one`,
		`#  role: query`,
		`#  sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
	},
}

func (g *generator) value(v reflect.Value, depth int) {
	t := v.Type()
	indent := strings.Repeat("  ", depth)
	for i := range t.NumField() {
		f := t.Field(i)
		name := configfile.Key(f)
		if name == "" {
			continue
		}
		id := t.String() + "." + f.Name
		comment, ok := g.comments[id]
		if !ok || strings.TrimSpace(comment) == "" {
			g.t.Errorf("%s has no comment: it is what the operator reads", id)
		}
		if rest, ok := strings.CutPrefix(comment, f.Name+" "); ok {
			comment = name + " " + rest // the file's name for it, not the program's
		}
		for line := range strings.SplitSeq(strings.TrimSpace(comment), "\n") {
			fmt.Fprintf(&g.text, "%s# %s\n", indent, line)
		}
		if isStruct(v.Field(i)) {
			fmt.Fprintf(&g.text, "%s%s:\n", indent, name)
			g.value(v.Field(i), depth+1)
			continue
		}
		if extra := examples[id]; extra != nil {
			g.list(name, v.Field(i), extra, indent)
			continue
		}
		fmt.Fprintf(&g.text, "%s%s: %s\n", indent, name, scalar(v.Field(i)))
	}
}

// list prints a list's entries one a line, with alternatives as comments.
func (g *generator) list(name string, v reflect.Value, extra []string, indent string) {
	fmt.Fprintf(&g.text, "%s%s:\n", indent, name) // without entries the value is null, the empty list
	for i := range v.Len() {
		l := v.Index(i).Interface().(serve.Listen)
		fmt.Fprintf(&g.text, "%s  - unix: %s\n", indent, l.Unix)
	}
	for _, line := range extra {
		fmt.Fprintf(&g.text, "%s  %s\n", indent, line)
	}
}

func isStruct(v reflect.Value) bool {
	_, text := v.Interface().(encoding.TextMarshaler)
	return v.Kind() == reflect.Struct && !text
}

func scalar(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		text := x.String()
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(text, zero) {
				text = strings.TrimSuffix(text, zero[1:])
			}
		}
		return text
	case encoding.TextMarshaler:
		text, _ := x.MarshalText()
		if _, level := x.(slog.Level); level {
			return strings.ToLower(string(text))
		}
		return string(text)
	case string:
		if x == "" {
			return `""`
		}
		return x
	case []string:
		return "[" + strings.Join(x, ", ") + "]"
	case map[string]string:
		return "{}"
	}
	return fmt.Sprint(v.Interface())
}
