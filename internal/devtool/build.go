package devtool

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Tags are the build tags of everything: slimcap without its mock's cost is the probe's alone; the plugin SDK builds
// with arrow_json_stdlib, and one tag set for all shares the build cache.
const Tags = "arrow_json_stdlib"

// probeTags leave slimcap's mock out of the shipped probe.
const probeTags = Tags + ",slimcap_nomock"

// Paths of what a build makes.
const (
	BinDir  = "bin"
	DistDir = "dist"
	PageDir = "demo/explorer/dist"
)

// PluginBinary is the plugin backend's path for this machine.
func PluginBinary() string {
	return filepath.Join(DistDir, "gpx_weir_"+runtime.GOOS+"_"+runtime.GOARCH)
}

func version() string {
	output, err := exec.Command("git", "describe", "--always", "--dirty", "--tags").Output()
	if err != nil {
		return "devel"
	}
	return strings.TrimSpace(string(output))
}

// goBuild is a step that builds one command without CGO, stripped and without paths of this machine.
func goBuild(name, output, pkg, tags string) Step {
	flags := "-s -w -X github.com/weirflow/weir/pkg/version.version=" + version()
	return Step{
		Name:    name,
		Env:     []string{"CGO_ENABLED=0"},
		Command: []string{"go", "build", "-trimpath", "-tags", tags, "-ldflags", flags, "-o", output, pkg},
	}
}

// BuildProbe builds weir-probe and weir.
func BuildProbe(ctx context.Context) error {
	return RunAll(ctx,
		goBuild("build weir-probe", filepath.Join(BinDir, "weir-probe"), "./cmd/weir-probe", probeTags),
		goBuild("build weir", filepath.Join(BinDir, "weir"), "./cmd/weir", Tags),
	)
}

// BuildDemo builds the demo fleet's command.
func BuildDemo(ctx context.Context) error {
	return goBuild("build the demo", filepath.Join(BinDir, "weir-demo"), "./demo", Tags).Run(ctx)
}

// BuildPlugin builds the plugin's backend for this machine.
func BuildPlugin(ctx context.Context) error {
	return goBuild("build the plugin backend (minutes on a cold cache)", PluginBinary(), "./pkg", Tags).Run(ctx)
}

// BuildFrontEnd builds module.js and the explorer page; it needs Node.
func BuildFrontEnd(ctx context.Context) error {
	if err := NodeModules(ctx); err != nil {
		return err
	}
	// webpack cleans dist/ of all but the backend's files.
	if !newer(filepath.Join(DistDir, "module.js"), "src", "package.json", "CHANGELOG.md", ".config") {
		if err := (Step{Name: "build the plugin front end", Command: []string{"npm", "run", "build"}}).Run(ctx); err != nil {
			return err
		}
	}
	if newer(filepath.Join(PageDir, "explorer.js"), "demo/explorer/build.mjs", "demo/explorer/index.html", "demo/explorer/src", "package-lock.json") {
		return nil
	}
	return Step{Name: "build the explorer page", Command: []string{"node", "demo/explorer/build.mjs"}}.Run(ctx)
}
