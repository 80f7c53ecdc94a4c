package dashboards

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

var update = flag.Bool("update", false, "write src/dashboards anew")

// The files are what the code makes: go test ./internal/dashboards -update.
func TestFiles(t *testing.T) {
	dir := filepath.Join(testenv.Root(), "src", "dashboards")
	known := map[string]bool{}
	for _, d := range All() {
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		known[d.File()] = true
		path := filepath.Join(dir, d.File())
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes (%v): run go test ./internal/dashboards -update", d.File(), err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s is nobody's", f.Name())
		}
	}
}

// The plugin offers all of them for import.
func TestIncludes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "src", "plugin.json"))
	if err != nil {
		t.Fatal(err)
	}
	var plugin struct {
		Includes []struct{ Type, Name, Path string }
	}
	if err := json.Unmarshal(text, &plugin); err != nil {
		t.Fatal(err)
	}
	for i, d := range All() {
		if i >= len(plugin.Includes) || plugin.Includes[i].Type != "dashboard" || plugin.Includes[i].Name != d.Title || plugin.Includes[i].Path != "dashboards/"+d.File() {
			t.Errorf("plugin.json does not include %s at place %d", d.Title, i)
		}
	}
	if len(plugin.Includes) != len(All()) {
		t.Errorf("plugin.json includes %d dashboards, there are %d", len(plugin.Includes), len(All()))
	}
}

var variableName = regexp.MustCompile(`\$\{?(\w+)`)

// What would make Grafana or the plugin stumble over a dashboard: an unknown variable, two panels in one place, a
// variable that is asked for before it is there.
func TestSound(t *testing.T) {
	for _, d := range All() {
		var names []string
		for _, v := range d.Variables {
			text, _ := json.Marshal(v["query"])
			for _, used := range variableName.FindAllStringSubmatch(string(text), -1) {
				if !slices.Contains(names, used[1]) {
					t.Errorf("%s: variable %s uses %s, which comes later or never", d.UID, v["name"], used[1])
				}
			}
			names = append(names, v["name"].(string))
		}
		if names[0] != "ds" {
			t.Errorf("%s: the first variable is %s", d.UID, names[0])
		}
		panels, err := layOut(d.Panels)
		if err != nil {
			t.Fatal(err)
		}
		taken := map[[2]int]bool{}
		for _, p := range panels {
			place := p["gridPos"].(object)
			for x := place["x"].(int); x < place["x"].(int)+place["w"].(int); x++ {
				for y := place["y"].(int); y < place["y"].(int)+place["h"].(int); y++ {
					if x >= width || taken[[2]int{x, y}] {
						t.Fatalf("%s: %s lies on another panel or beside the grid", d.UID, p["title"])
					}
					taken[[2]int{x, y}] = true
				}
			}
			text, _ := json.Marshal(p["targets"])
			for _, used := range variableName.FindAllStringSubmatch(string(text), -1) {
				if !slices.Contains(names, used[1]) {
					t.Errorf("%s, %s: uses the variable %s, which the dashboard does not have", d.UID, p["title"], used[1])
				}
			}
		}
	}
}
