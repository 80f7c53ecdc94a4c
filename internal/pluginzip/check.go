package pluginzip

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bounds of an archive: far above what a plugin has.
const (
	mostFiles    = 1000
	mostFileSize = 256 << 20
)

// plugin is what is looked at of plugin.json.
type plugin struct {
	ID, Type, Name, Executable string
	Backend                    bool
	Info                       struct {
		Description, Version, Updated string
		Keywords                      []string
		Author                        struct{ Name, URL string }
		Logos                         struct{ Small, Large string }
		Links                         []struct{ Name, URL string }
		Screenshots                   []struct{ Name, Path string }
	}
	Includes     []struct{ Type, Name, Path string }
	Dependencies struct{ GrafanaDependency string }
}

func (p *plugin) archive() string { return p.ID + "-" + p.Info.Version + ".zip" }

// checker collects what is wrong with an archive.
type checker struct {
	files  map[string]*zip.File // by the name below the plugin's folder
	plugin plugin
	faults []error
}

func (c *checker) fault(format string, arguments ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, arguments...))
}

// Check says everything that is wrong with an archive, and that each of the platforms has its binary in it.
func Check(file string, platforms []string) error {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer archive.Close() //nolint:errcheck // it was only read
	c := checker{files: map[string]*zip.File{}}
	if !c.open(archive.File) {
		return errors.Join(c.faults...)
	}
	if want := c.plugin.archive(); filepath.Base(file) != want {
		c.fault("the archive is called %s, not %s", filepath.Base(file), want)
	}
	c.description()
	c.pictures()
	c.frontEnd()
	c.backEnd(platforms)
	c.texts()
	c.strangers()
	return errors.Join(c.faults...)
}

// open lists the files and reads plugin.json; without that nothing else can be said.
func (c *checker) open(files []*zip.File) bool {
	if len(files) > mostFiles {
		c.fault("%d files, at most %d", len(files), mostFiles)
		return false
	}
	folder := ""
	for _, f := range files {
		top, name, below := strings.Cut(f.Name, "/")
		switch {
		case !below || !fs.ValidPath(f.Name) || !f.Mode().IsRegular():
			c.fault("%q is no file in a folder of the plugin's id", f.Name)
			continue
		case f.UncompressedSize64 > mostFileSize:
			c.fault("%s has %d bytes, at most %d", f.Name, f.UncompressedSize64, mostFileSize)
			continue
		case folder == "":
			folder = top
		case folder != top:
			c.fault("%q is not in the folder %s", f.Name, folder)
		}
		c.files[name] = f
	}
	text, known := c.read("plugin.json")
	if !known {
		return false
	}
	if err := json.Unmarshal(text, &c.plugin); err != nil {
		c.fault("plugin.json: %w", err)
		return false
	}
	if folder != c.plugin.ID {
		c.fault("the folder is called %s, the plugin %s", folder, c.plugin.ID)
	}
	return true
}

// read reads a file that must be there and not be empty.
func (c *checker) read(name string) ([]byte, bool) {
	f := c.files[name]
	if f == nil {
		c.fault("%s is missing", name)
		return nil, false
	}
	r, err := f.Open()
	if err != nil {
		c.fault("%s: %w", name, err)
		return nil, false
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, mostFileSize))
	if err == nil && len(text) == 0 {
		err = errors.New("empty")
	}
	if err != nil {
		c.fault("%s: %w", name, err)
		return nil, false
	}
	return text, true
}

var (
	idForm      = regexp.MustCompile(`^[0-9a-z]+-([0-9a-z]+-)?(app|panel|datasource)$`)
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	dependency  = regexp.MustCompile(`^>=\d+\.\d+\.\d+`)
)

// description looks at what plugin.json says of the plugin.
func (c *checker) description() {
	p := &c.plugin
	text, _ := c.read("plugin.json")
	if placeholder := regexp.MustCompile(`%[A-Z]+%`).Find(text); placeholder != nil {
		c.fault("plugin.json: %s was not replaced", placeholder)
	}
	if !idForm.MatchString(p.ID) || !strings.HasSuffix(p.ID, "-"+p.Type) {
		c.fault("plugin.json: id %q is not ORGANISATION-NAME-%s", p.ID, p.Type)
	}
	if !versionForm.MatchString(p.Info.Version) {
		c.fault("plugin.json: version %q is not MAJOR.MINOR.PATCH", p.Info.Version)
	}
	if _, err := time.Parse(time.DateOnly, p.Info.Updated); err != nil {
		c.fault("plugin.json: updated: %w", err)
	}
	if !dependency.MatchString(p.Dependencies.GrafanaDependency) {
		c.fault("plugin.json: grafanaDependency %q does not begin with >=MAJOR.MINOR.PATCH", p.Dependencies.GrafanaDependency)
	}
	for name, value := range map[string]string{"name": p.Name, "info.description": p.Info.Description, "info.author.name": p.Info.Author.Name} {
		if strings.TrimSpace(value) == "" {
			c.fault("plugin.json: %s is empty", name)
		}
	}
	if len(p.Info.Keywords) == 0 {
		c.fault("plugin.json: no keywords")
	}
	for _, link := range p.Info.Links {
		if !strings.HasPrefix(link.URL, "https://") {
			c.fault("plugin.json: link %s goes to %q, not to https://", link.Name, link.URL)
		}
	}
	for _, include := range p.Includes {
		if include.Path == "" {
			continue
		}
		if text, known := c.read(include.Path); known && include.Type == "dashboard" && !json.Valid(text) {
			c.fault("%s is no JSON", include.Path)
		}
	}
}

var active = regexp.MustCompile(`(?i)<script|javascript:|\son[a-z]+\s*=|<foreignObject`)

// pictures are the logos and screenshots.
func (c *checker) pictures() {
	for _, logo := range []string{c.plugin.Info.Logos.Small, c.plugin.Info.Logos.Large} {
		if text, known := c.read(logo); known && path.Ext(logo) == ".svg" && active.Match(text) {
			c.fault("%s holds something that runs", logo)
		}
	}
	if len(c.plugin.Info.Screenshots) == 0 {
		c.fault("plugin.json: no screenshots")
	}
	for _, s := range c.plugin.Info.Screenshots {
		if text, known := c.read(s.Path); known && path.Ext(s.Path) == ".png" && !bytes.HasPrefix(text, []byte("\x89PNG\r\n")) {
			c.fault("%s is no PNG", s.Path)
		}
		if s.Name == "" {
			c.fault("plugin.json: %s has no name", s.Path)
		}
	}
}

// frontEnd looks for the module, and for a map beside each script.
func (c *checker) frontEnd() {
	c.read("module.js")
	for name := range c.files {
		if path.Ext(name) == ".js" && c.files[name+".map"] == nil {
			c.fault("%s has no %s.map", name, path.Base(name))
		}
	}
}

func (c *checker) backEnd(platforms []string) {
	if !c.plugin.Backend {
		return
	}
	for _, platform := range platforms {
		name := Binary(c.plugin.Executable, platform)
		if f := c.files[name]; f == nil {
			c.fault("%s is missing", name)
		} else if f.Mode().Perm() != 0o755 {
			c.fault("%s has the mode %o, not 755", name, f.Mode().Perm())
		}
	}
	c.read(Manifest)
}

// Manifest is the file with the hashes of the sources of the backend.
const Manifest = "go_plugin_build_manifest"

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)`)
	jargon = regexp.MustCompile(`(?i)\b(npm|yarn|mage|docker|webpack)\b`)
)

// texts are those that the catalog shows.
func (c *checker) texts() {
	if text, known := c.read("README.md"); known {
		for _, m := range link.FindAllSubmatch(text, -1) {
			if target := string(m[1]); !strings.HasPrefix(target, "https://") && !strings.HasPrefix(target, "#") {
				c.fault("README.md: link to %q, which the catalog cannot follow", target)
			}
		}
		if word := jargon.Find(text); word != nil {
			c.fault("README.md: %q is for developers, the catalog is for users", word)
		}
	}
	if text, known := c.read("CHANGELOG.md"); known && !bytes.Contains(text, []byte(c.plugin.Info.Version)) {
		c.fault("CHANGELOG.md says nothing of %s", c.plugin.Info.Version)
	}
	if text, known := c.read("LICENSE"); known && !bytes.Contains(text, []byte("Apache License")) {
		c.fault("LICENSE is not Apache's")
	}
}

// kinds of files that users need; scripts and maps are those of the front end.
var kinds = []string{".js", ".map", ".json", ".svg", ".png", ".md", ".txt", ".exe", ""}

// strangers are files that nobody who installs the plugin needs.
func (c *checker) strangers() {
	for name, f := range c.files {
		base := path.Base(name)
		if !slices.Contains(kinds, path.Ext(base)) || strings.HasPrefix(base, ".") || strings.Contains(name, ".test.") || strings.Contains(name, "node_modules") {
			c.fault("%s does not belong into the archive", name)
		}
		if path.Ext(base) == "" && base != "LICENSE" && base != Manifest && !isBinary(name) {
			c.fault("%s does not belong into the archive", name)
		}
		if !isBinary(name) && f.Mode().Perm()&0o111 != 0 {
			c.fault("%s can be executed", name)
		}
	}
}
