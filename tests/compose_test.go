//go:build linux

package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/weirflow/weir/internal/devtool"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/probe/config"
)

// compose is the part of docker-compose.yaml that names files of this repository.
type compose struct {
	Services map[string]service        `yaml:"services"`
	Volumes  map[string]map[string]any `yaml:"volumes"`
	Configs  map[string]file           `yaml:"configs"`
	Secrets  map[string]file           `yaml:"secrets"`
}

type service struct {
	Image   string `yaml:"image"`
	Build   any    `yaml:"build"`
	EnvFile any    `yaml:"env_file"`
	Volumes []any  `yaml:"volumes"`
	Depends any    `yaml:"depends_on"`
	Network string `yaml:"network_mode"`
}

type file struct {
	File string `yaml:"file"`
}

// mount is a path of the repository, and where a container sees it.
type mount struct{ source, target string }

// What the compose file and the provisioning name is there, and readable for the programs that it is for.
func TestCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(inRepository("docker-compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatalf("docker-compose.yaml: %v", err)
	}
	if len(c.Services) < 4 {
		t.Errorf("%d services: Grafana and a fleet of three probes are expected", len(c.Services))
	}
	var mounts []mount
	for name, s := range c.Services {
		mounts = append(mounts, checkService(t, name, s, c)...)
	}
	for name, f := range c.Configs {
		requireFile(t, "config "+name, f.File)
	}
	for name, f := range c.Secrets {
		requireFile(t, "secret "+name, f.File)
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	checkTexts(t, "docker-compose.yaml", all, mounts)
	checkMounted(t, mounts)
	checkProvisioning(t, mounts)
}

// checkMounted reads the single files that containers see.
func checkMounted(t *testing.T, mounts []mount) {
	t.Helper()
	for _, m := range mounts {
		if path.Ext(m.source) != ".yaml" {
			continue
		}
		text, err := os.ReadFile(inRepository(m.source))
		if err == nil {
			err = checkYAML(t, m.source, text, mounts)
		}
		if err != nil {
			t.Errorf("%s: %v", m.source, err)
		}
	}
}

// inRepository is the absolute form of a path that is relative to the repository's root.
func inRepository(name string) string { return filepath.Join(testenv.Root(), filepath.FromSlash(name)) }

// requireFile checks that a path of the repository is there. What a build makes has to be there after a build only.
func requireFile(t *testing.T, what, name string) {
	t.Helper()
	clean := path.Clean(name)
	if top, _, _ := strings.Cut(clean, "/"); !isBuilt() && (top == devtool.BinDir || top == devtool.DistDir) {
		return
	}
	if path.IsAbs(clean) || strings.HasPrefix(clean, "..") {
		t.Errorf("%s: %s is not in the repository", what, name)
	} else if _, err := os.Stat(inRepository(clean)); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func checkService(t *testing.T, name string, s service, c compose) (mounts []mount) {
	t.Helper()
	what := "service " + name
	if s.Image == "" && s.Build == nil {
		t.Errorf("%s has neither an image nor a build", what)
	}
	switch build := s.Build.(type) {
	case nil:
	case string:
		checkDockerfile(t, what, build, "Dockerfile")
	case map[string]any:
		dockerfile, context := "Dockerfile", "."
		if text, ok := build["dockerfile"].(string); ok {
			dockerfile = text
		}
		if text, ok := build["context"].(string); ok {
			context = text
		}
		checkDockerfile(t, what, context, dockerfile)
	default:
		t.Errorf("%s: build is a %T", what, build)
	}
	for _, name := range list(s.EnvFile) {
		requireFile(t, what+" env_file", name)
	}
	neighbours := list(s.Depends)
	if name, ok := strings.CutPrefix(s.Network, "service:"); ok {
		neighbours = append(neighbours, name)
	}
	for _, name := range neighbours {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("%s needs %q, which is no service", what, name)
		}
	}
	for _, volume := range s.Volumes {
		source, target, err := volumeOf(volume)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, named := c.Volumes[source]; named || source == "" {
			continue
		}
		if path.IsAbs(source) {
			continue // of the machine that runs it
		}
		requireFile(t, what+" volume", source)
		mounts = append(mounts, mount{path.Clean(source), target})
	}
	return mounts
}

// list is a text, a list of texts, or the keys of a map: compose takes all of them.
func list(value any) (texts []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			texts = append(texts, fmt.Sprint(e))
		}
	case map[string]any:
		for key := range v {
			texts = append(texts, key)
		}
	}
	return texts
}

// volumeOf reads a volume in the short or the long form; a volume without a source is anonymous.
func volumeOf(value any) (source, target string, err error) {
	switch v := value.(type) {
	case string:
		parts := strings.Split(v, ":")
		if len(parts) == 1 {
			return "", parts[0], nil
		}
		return parts[0], parts[1], nil
	case map[string]any:
		source, _ = v["source"].(string)
		target, _ = v["target"].(string)
		if target != "" {
			return source, target, nil
		}
	}
	return "", "", fmt.Errorf("volume %v has no target", value)
}

// checkDockerfile checks that what a Dockerfile copies from its context is there.
func checkDockerfile(t *testing.T, what, context, name string) {
	t.Helper()
	requireFile(t, what+" build context", context)
	text, err := os.ReadFile(inRepository(path.Join(context, name)))
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if !strings.Contains("\n"+string(text), "\nFROM ") {
		t.Errorf("%s: %s has no FROM", what, name)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "COPY" && words[0] != "ADD" || strings.Contains(line, "--from=") {
			continue
		}
		words = slices.DeleteFunc(words[1:], func(word string) bool { return strings.HasPrefix(word, "--") })
		for _, source := range words[:len(words)-1] {
			if matches, err := filepath.Glob(inRepository(path.Join(context, source))); err != nil || len(matches) == 0 {
				requireFile(t, what+" "+name+" COPY", path.Join(context, source))
			}
		}
	}
}

// checkProvisioning reads every file of provisioning/ as the program that it is for will, and looks for the paths that
// stand in them: those of containers are looked up by the mounts.
func checkProvisioning(t *testing.T, mounts []mount) {
	t.Helper()
	seen := 0
	root := inRepository("provisioning")
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".json":
			if !json.Valid(text) {
				t.Errorf("%s is no JSON", name)
			}
		case ".yaml", ".yml":
			seen++
			if err := checkYAML(t, name, text, mounts); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("provisioning/ holds %d YAML files: %v", seen, err)
	}
}

func checkYAML(t *testing.T, name string, text []byte, mounts []mount) error {
	var content map[string]any
	if err := yaml.Unmarshal(text, &content); err != nil {
		return err
	}
	if len(content) == 0 {
		return errors.New("empty")
	}
	if _, ok := content["apiVersion"]; !ok { // not Grafana's, so a probe's
		_, err := config.Parse(text)
		return err
	}
	checkTexts(t, name, content, mounts)
	return nil
}

// checkTexts looks for paths of containers in a document, and for what they are in the repository.
func checkTexts(t *testing.T, name string, content any, mounts []mount) {
	t.Helper()
	walkTexts(content, func(value string) {
		for _, m := range mounts {
			rest, below := strings.CutPrefix(value, m.target)
			if below && (rest == "" || rest[0] == '/') {
				requireFile(t, name, m.source+rest)
			}
		}
	})
}

// walkTexts visits every text of a YAML document.
func walkTexts(value any, visit func(string)) {
	switch v := value.(type) {
	case string:
		visit(v)
	case []any:
		for _, e := range v {
			walkTexts(e, visit)
		}
	case map[string]any:
		for _, e := range v {
			walkTexts(e, visit)
		}
	}
}
