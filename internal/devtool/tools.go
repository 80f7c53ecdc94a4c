package devtool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Tool is a program that comes in a Debian package.
type Tool struct {
	Program string
	Package string
}

// The tools that the demo and the tests use beside Go and Node.
var (
	IP       = Tool{"ip", "iproute2"}
	Ping     = Tool{"ping", "iputils-ping"}
	Curl     = Tool{"curl", "curl"}
	Iperf3   = Tool{"iperf3", "iperf3"}
	NFTables = Tool{"nft", "nftables"}
	Chromium = Tool{"chromium", "chromium"}
	Zsh      = Tool{"zsh", "zsh"} // completion is tried in the shells themselves
	Fish     = Tool{"fish", "fish"}
	GCC      = Tool{"gcc", "gcc libc6-dev"} // the race detector needs it
)

// ErrMissing says that a tool is neither there nor can be installed from here.
var ErrMissing = errors.New("missing tool")

// Require makes sure that the tools are there: as root with apt-get it installs what is missing, else the error
// names the line to type.
func Require(ctx context.Context, tools ...Tool) error {
	var packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.Program); err != nil {
			packages = append(packages, strings.Fields(t.Package)...)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	install := append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, packages...)
	_, err := exec.LookPath("apt-get")
	if os.Geteuid() != 0 || err != nil {
		return fmt.Errorf("%w: type: sudo apt-get update && sudo %s", ErrMissing, strings.Join(install, " "))
	}
	quiet := []string{"DEBIAN_FRONTEND=noninteractive"}
	return RunAll(ctx,
		Step{Name: "Debian packages: update", Env: quiet, Command: []string{"apt-get", "update"}},
		Step{Name: "Debian packages: install " + strings.Join(packages, " "), Env: quiet, Command: install},
	)
}

// HaveNode says whether Node and npm are there.
func HaveNode() bool {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// NodeModules installs what package-lock.json pins, unless it is there already.
func NodeModules(ctx context.Context) error {
	return packages(ctx, "", "front-end packages: npm ci (minutes on a cold cache)")
}

// ComparePackages installs what the comparison with DuckDB runs, in tests/compare of the module's root.
func ComparePackages(ctx context.Context, root string) error {
	return packages(ctx, filepath.Join(root, "tests", "compare"), "DuckDB for comparison: npm ci")
}

// packages installs the packages of a directory's lock file, unless that has been done.
func packages(ctx context.Context, directory, name string) error {
	lock, err := os.ReadFile(filepath.Join(directory, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join(directory, "node_modules", ".weir-lock")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return nil
	}
	err = Step{Name: name, Dir: directory, Command: []string{"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"}}.Run(ctx)
	if err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}
