// Package docs holds no code: its tests hold that what the documentation names is there.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/config"
)

func read(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{testenv.Root()}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every link between pages leads somewhere, to a heading where it names one; every page of docs/ is linked.
func TestLinks(t *testing.T) {
	root := testenv.Root()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "provisioning/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	linked := map[string]bool{filepath.Join(root, "README.md"): true}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, heading, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			linked[path] = true
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if heading != "" && !slices.Contains(headings(t, path), heading) {
				t.Errorf("%s: %s has no heading #%s", page, path, heading)
			}
		}
	}
	for _, page := range pages {
		if strings.HasPrefix(page, filepath.Join(root, "docs")) && !linked[page] {
			t.Errorf("no page links to %s", page)
		}
	}
}

// headings of a page, as GitHub makes anchors of them.
func headings(t *testing.T, path string) (anchors []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && line[0] == '#' {
			title = regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			anchors = append(anchors, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return anchors
}

// ARCHITECTURE.md has a place for every package of the two trees, and for no other.
func TestFloorsAreDocumented(t *testing.T) {
	command := exec.Command("go", "list", "./pkg/...", "./probe/...")
	command.Dir = testenv.Root()
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var want, got []string
	for name := range strings.FieldsSeq(string(output)) {
		want = append(want, strings.TrimPrefix(name, "github.com/weirflow/weir/"))
	}
	for _, match := range regexp.MustCompile("(?m)^\\| \\d \\| `([a-z/]+)` \\|").FindAllStringSubmatch(read(t, "docs", "ARCHITECTURE.md"), -1) {
		got = append(got, match[1])
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s has no row in docs/ARCHITECTURE.md", name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("docs/ARCHITECTURE.md has a row for %s, which is not there", name)
		}
	}
}

// API.md describes every member of a request.
func TestRequestIsDocumented(t *testing.T) {
	text := read(t, "docs", "API.md")
	for f := range reflect.TypeFor[wire.Request]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the member %s of a request does not stand in docs/API.md", name)
		}
	}
}

// The pieces of configuration that pages show, and the one of the containers, are valid.
func TestConfigurations(t *testing.T) {
	texts := map[string]string{"packaging/docker/probe.yaml": read(t, "packaging", "docker", "probe.yaml")}
	block := regexp.MustCompile("(?s)```yaml\n((?:capture|api):\n.*?)```")
	for _, page := range []string{"INSTALL.md", "API.md"} {
		for _, match := range block.FindAllStringSubmatch(read(t, "docs", page), -1) {
			texts[page+": "+match[1]] = match[1]
		}
	}
	if len(texts) < 4 {
		t.Errorf("only %d pieces found", len(texts))
	}
	for name, text := range texts {
		if _, err := config.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Files and folders that pages name in backquotes are there.
func TestPathsInArchitecture(t *testing.T) {
	path := regexp.MustCompile("`((?:cmd|pkg|probe|src|demo|internal)/[a-z0-9_/.-]+)`")
	for _, match := range path.FindAllStringSubmatch(read(t, "docs", "ARCHITECTURE.md"), -1) {
		if _, err := os.Stat(filepath.Join(testenv.Root(), match[1])); err != nil {
			t.Errorf("docs/ARCHITECTURE.md: %v", err)
		}
	}
}
