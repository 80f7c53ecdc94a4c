package devtool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/build/utils"

	"github.com/weirflow/weir/internal/pluginzip"
)

// PackageDir is where archives of the plugin are put.
const PackageDir = "bin"

// PackagePlugin makes the plugin's archive with a binary for every platform, or for this one only, and checks it. It is
// not signed.
func PackagePlugin(ctx context.Context, all bool) error {
	if !HaveNode() {
		return fmt.Errorf("no Node here (20 or later): the plugin's front end cannot be built")
	}
	if err := BuildFrontEnd(ctx); err != nil {
		return err
	}
	platforms := []string{runtime.GOOS + "_" + runtime.GOARCH}
	if all {
		platforms = pluginzip.Platforms()
	}
	for _, platform := range platforms {
		step := goBuild("build the plugin backend for "+platform, filepath.Join(DistDir, pluginzip.Binary("gpx_weir", platform)), "./pkg", Tags)
		system, processor, _ := strings.Cut(platform, "_")
		step.Env = append(step.Env, "GOOS="+system, "GOARCH="+processor)
		if err := step.Run(ctx); err != nil {
			return err
		}
	}
	manifest, err := utils.GenerateManifest()
	if err != nil {
		return fmt.Errorf("list the sources: %w", err)
	}
	if err := os.WriteFile(filepath.Join(DistDir, pluginzip.Manifest), []byte(manifest), 0o644); err != nil { //nolint:gosec // it is for everybody
		return err
	}
	return pack(platforms)
}

// pack makes an archive of dist/ and checks it.
func pack(platforms []string) error {
	dist := os.DirFS(DistDir)
	id, name, err := pluginzip.Name(dist)
	if err != nil {
		return err
	}
	file := filepath.Join(PackageDir, name)
	if err := os.MkdirAll(PackageDir, 0o755); err != nil { //nolint:gosec // as dist/
		return err
	}
	if err := pluginzip.PackFile(dist, id, file); err != nil {
		return err
	}
	if err := pluginzip.Check(file, platforms); err != nil {
		return fmt.Errorf("%s:\n%w", file, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Printf("  %s, %d MB, for %s; not signed\n", file, info.Size()>>20, strings.Join(platforms, ", "))
	return nil
}
