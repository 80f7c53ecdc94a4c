//go:build linux

// Package tests holds the end-to-end tests: they run the built programs as people do, with real packets in network
// namespaces of their own, and hold what comes out against a truth that was found by other means. What needs root,
// Node, Chromium or the shared traces skips by name where it is absent.
//
// Neighbours: e2e/ drives the explorer in a browser; package demo/fleet runs probes, demo/host the plugin.
package tests

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weirflow/weir/internal/devtool"
	"github.com/weirflow/weir/internal/testenv"
)

// The programs under test.
const (
	probeProgram  = "weir-probe"
	clientProgram = "weir"
	demoProgram   = "weir-demo"
	pluginProgram = "plugin"
)

// program is where the repository's recipes put a program, and how it is built without them.
type program struct {
	path, source, tags string
	build              func() error
}

// programs is filled by run, once, before any test.
var programs map[string]*program

// workshop is where programs are built that the recipes have not built; one directory, as after a build.
var workshop string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if workshop, err = os.MkdirTemp("", "weir-tests-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(workshop) }()
	programs = map[string]*program{
		probeProgram:  {path: filepath.Join(devtool.BinDir, probeProgram), source: "./cmd/weir-probe", tags: devtool.Tags + ",slimcap_nomock"},
		clientProgram: {path: filepath.Join(devtool.BinDir, clientProgram), source: "./cmd/weir", tags: devtool.Tags},
		demoProgram:   {path: filepath.Join(devtool.BinDir, demoProgram), source: "./demo", tags: devtool.Tags},
		pluginProgram: {path: devtool.PluginBinary(), source: "./pkg", tags: devtool.Tags},
	}
	for _, p := range programs {
		p.build = sync.OnceValue(p.make)
	}
	return m.Run()
}

// isBuilt says that the recipes have built everything, just now.
func isBuilt() bool { return os.Getenv("WEIR_BUILT") == "1" }

// made is where the program is, or will be after build.
func (p *program) made() string {
	if isBuilt() {
		return filepath.Join(testenv.Root(), p.path)
	}
	return filepath.Join(workshop, filepath.Base(p.path))
}

func (p *program) make() error {
	if isBuilt() {
		_, err := os.Stat(p.made())
		return err
	}
	command := exec.Command("go", "build", "-tags", p.tags, "-o", p.made(), p.source)
	command.Dir, command.Env = testenv.Root(), append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", p.source, err, output)
	}
	return nil
}

// binary is the path of a program, which is built if that has not been done.
func binary(t testing.TB, name string) string {
	t.Helper()
	p := programs[name]
	if err := p.build(); err != nil {
		t.Fatal(err)
	}
	return p.made()
}

// requireTools skips the test, by name, where a command is missing; where everything must run it fails instead.
func requireTools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("WEIR_REQUIRE_ROOT") == "1" {
			t.Fatalf("%s needs %s, which is not installed", t.Name(), name)
		}
		t.Skipf("%s needs %s, which is not installed", t.Name(), name)
	}
}

// noNode is why there is nothing for a browser.
const noNode = "Node is not installed"

// frontEnd returns where the front end and the explorer page are, or what is missing to see them in a browser.
func frontEnd() (dist, page, missing string) {
	if !devtool.HaveNode() {
		return "", "", noNode
	}
	dist, page = filepath.Join(testenv.Root(), devtool.DistDir), filepath.Join(testenv.Root(), devtool.PageDir)
	for _, path := range []string{filepath.Join(dist, "module.js"), filepath.Join(page, "index.html")} {
		if !exists(path) {
			return "", "", path + " is not built (go tool mage build)"
		}
	}
	if browser := cmp.Or(os.Getenv("WEIR_CHROMIUM"), "/usr/bin/chromium"); !exists(browser) { // as in e2e/browser.mjs
		return "", "", browser + " is not installed"
	}
	return dist, page, ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
