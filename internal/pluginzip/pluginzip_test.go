package pluginzip

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

const description = `{
  "id": "acme-flows-datasource", "type": "datasource", "name": "Flows", "backend": true, "executable": "gpx_flows",
  "info": {"description": "Flows.", "version": "1.2.3", "updated": "2026-11-26", "keywords": ["flow"], "author": {"name": "Acme"},
    "logos": {"small": "img/logo.svg", "large": "img/logo.svg"}, "links": [{"name": "Project", "url": "https://acme.example"}],
    "screenshots": [{"name": "A table", "path": "img/table.png"}]},
  "includes": [{"type": "dashboard", "name": "Global", "path": "dashboards/global.json"}],
  "dependencies": {"grafanaDependency": ">=12.3.0"}
}`

// sound is a folder that nothing is wrong with.
func sound() map[string]string {
	files := map[string]string{
		"plugin.json": description, "module.js": "x", "module.js.map": "{}", "README.md": "# Flows\n[docs](https://acme.example/docs)\n",
		"CHANGELOG.md": "## 1.2.3", "LICENSE": "Apache License", "img/logo.svg": "<svg/>", "img/table.png": "\x89PNG\r\n\x1a\n",
		"dashboards/global.json": "{}", Manifest: "0:a.go",
	}
	for _, platform := range Platforms() {
		files[Binary("gpx_flows", platform)] = "binary"
	}
	return files
}

func packed(t *testing.T, files map[string]string, name string) string {
	t.Helper()
	dist := fstest.MapFS{}
	for name, text := range files {
		dist[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	file := filepath.Join(t.TempDir(), name)
	if err := PackFile(dist, "acme-flows-datasource", file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPackedIsSound(t *testing.T) {
	files := sound()
	dist := fstest.MapFS{"plugin.json": &fstest.MapFile{Data: []byte(description)}}
	id, name, err := Name(dist)
	if err != nil || id != "acme-flows-datasource" || name != "acme-flows-datasource-1.2.3.zip" {
		t.Fatal(name, err)
	}
	if err := Check(packed(t, files, name), Platforms()); err != nil {
		t.Error(err)
	}
	first, _ := os.ReadFile(packed(t, files, name))
	second, _ := os.ReadFile(packed(t, files, name))
	if string(first) != string(second) {
		t.Error("the same files give another archive")
	}
}

// Each change of a sound archive is found, and said so that one knows what to do.
func TestFaults(t *testing.T) {
	change := func(old, new string) func(map[string]string) {
		return func(files map[string]string) {
			files["plugin.json"] = strings.Replace(files["plugin.json"], old, new, 1)
		}
	}
	put := func(name, text string) func(map[string]string) {
		return func(files map[string]string) { files[name] = text }
	}
	drop := func(name string) func(map[string]string) {
		return func(files map[string]string) { delete(files, name) }
	}
	for want, broken := range map[string]func(map[string]string){
		"plugin.json is missing": drop("plugin.json"), "%VERSION% was not replaced": change("1.2.3", "%VERSION%"),
		"is not ORGANISATION-NAME": change("acme-flows-datasource", "acme-flows"),
		"updated:":                 change("2026-11-26", "%TODAY%"), "grafanaDependency": change(">=12.3.0", "12.x"), "info.description is empty": change("Flows.\"", "\""),
		"no keywords": change(`["flow"]`, "[]"), "not to https://": change("https://acme.example", "http://acme.example"),
		"dashboards/global.json is no JSON": put("dashboards/global.json", "{"), "holds something that runs": put("img/logo.svg", `<svg onload="x()"/>`),
		"img/logo.svg is missing": drop("img/logo.svg"), "img/table.png is no PNG": put("img/table.png", "GIF"), "no screenshots": change(`{"name": "A table", "path": "img/table.png"}`, ""),
		"module.js is missing": drop("module.js"), "module.js has no module.js.map": drop("module.js.map"),
		"gpx_flows_windows_amd64.exe is missing": drop("gpx_flows_windows_amd64.exe"), "go_plugin_build_manifest is missing": drop(Manifest),
		`link to "img/logo.svg"`: put("README.md", "![logo](img/logo.svg)"), "is for developers": put("README.md", "run npm install"),
		"CHANGELOG.md says nothing of 1.2.3": put("CHANGELOG.md", "## 1.2.2"), "LICENSE is not Apache's": put("LICENSE", "secret"),
		"module.ts does not belong": put("module.ts", "x"), "notes does not belong": put("notes", "x"), ".env does not belong": put(".env", "x"),
	} {
		files := maps.Clone(sound())
		broken(files)
		err := Check(packed(t, files, "acme-flows-datasource-1.2.3.zip"), Platforms())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	if err := Check(packed(t, sound(), "flows.zip"), nil); err == nil || !strings.Contains(err.Error(), "is called flows.zip, not acme-flows-datasource-1.2.3.zip") {
		t.Errorf("another name: %v", err)
	}
	if err := Check(filepath.Join(t.TempDir(), "none.zip"), nil); err == nil {
		t.Error("no archive is sound")
	}
}
