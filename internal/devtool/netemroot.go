package devtool

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The places in the emulated machine. The repository's part is laid out as in a checkout.
const (
	netemRepository = "/weir"
	netemModuleDir  = "/modules"
)

// fillRoot makes the emulated machine's file system.
func fillRoot(ctx context.Context, root string, modules []string) error {
	for _, name := range []string{"bin", "dev", "etc", "proc", "run", "sys", "tmp", netemModuleDir} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	var loaded []string
	for _, module := range modules {
		name := filepath.Base(module)
		if err := copyFile(module, filepath.Join(root, netemModuleDir, name)); err != nil {
			return err
		}
		loaded = append(loaded, name)
	}
	for _, tool := range []Tool{busybox, IP, traffic, NFTables} {
		if err := copyProgram(ctx, root, tool.Program); err != nil {
			return err
		}
	}
	if err := buildInto(ctx, filepath.Join(root, netemRepository)); err != nil {
		return err
	}
	// nft asks the C library for the protocols' numbers.
	if err := os.WriteFile(filepath.Join(root, "etc", "protocols"), []byte("tcp 6 TCP\nudp 17 UDP\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "init"), []byte(initScript(loaded, netemSuites)), 0o755)
}

// buildInto builds the programs and the tests of the suites.
func buildInto(ctx context.Context, repository string) error {
	steps := []Step{
		goBuild("build weir-probe", filepath.Join(repository, BinDir, "weir-probe"), "./cmd/weir-probe", probeTags),
		goBuild("build weir", filepath.Join(repository, BinDir, "weir"), "./cmd/weir", Tags),
	}
	for _, s := range netemSuites {
		steps = append(steps, Step{Name: "build the tests of " + s.pkg, Env: []string{"CGO_ENABLED=0"}, Command: []string{
			"go", "test", "-c", "-trimpath", "-tags", Tags, "-o", filepath.Join(repository, s.pkg, s.program), "./" + s.pkg}})
	}
	return RunAll(ctx, steps...)
}

// initScript is the emulated machine's first and last process.
func initScript(modules []string, suites []suite) string {
	var b strings.Builder
	b.WriteString(`#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
ip link set lo up
`)
	for _, module := range modules {
		fmt.Fprintf(&b, "insmod %s/%s\n", netemModuleDir, module)
	}
	b.WriteString(`echo "Linux $(uname -r), with $(/bin/tc -V), $(/bin/nft --version)"
`)
	fmt.Fprintf(&b, "export WEIR_BUILT=1 WEIR_REQUIRE_ROOT=1 WEIR_ROOT=%s\n", netemRepository)
	for _, s := range suites {
		fmt.Fprintf(&b, "cd %s/%s && ./%s -test.v -test.timeout 5m -test.run '^(%s)$'\n",
			netemRepository, s.pkg, s.program, strings.Join(s.tests, "|"))
	}
	fmt.Fprintf(&b, "echo\necho '%s'\npoweroff -f\n", netemDone)
	return b.String()
}

// copyProgram copies a program into /bin, and the libraries it is linked with to where they are.
func copyProgram(ctx context.Context, root, name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if err := copyFile(path, filepath.Join(root, "bin", name)); err != nil {
		return err
	}
	output, _ := exec.CommandContext(ctx, "ldd", path).Output() // fails, rightly, for what is linked statically
	for _, field := range strings.Fields(string(output)) {
		if !filepath.IsAbs(field) {
			continue
		}
		if err := copyFile(field, filepath.Join(root, field)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies what the path leads to; the copy may be run.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}
