// Package testenv finds what tests need beside the repository: traces and samples, and the privilege to capture.
// It is the one place that knows about WEIR_ROOT, WEIR_SHARED and WEIR_REQUIRE_ROOT.
package testenv

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Root is the module's root directory: WEIR_ROOT, which tests need that run elsewhere than they were compiled, else where
// the source is.
func Root() string {
	if d := os.Getenv("WEIR_ROOT"); d != "" {
		return d
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// SharedDir is the directory with traces and samples: WEIR_SHARED, else ../shared beside the module's root.
func SharedDir() string {
	if d := os.Getenv("WEIR_SHARED"); d != "" {
		return d
	}
	return filepath.Join(Root(), "..", "shared")
}

// Shared returns the path of a file or folder in SharedDir and skips the test, by name, where it is absent.
func Shared(t testing.TB, elements ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{SharedDir()}, elements...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s: %s is not beside the repository (set WEIR_SHARED to its folder)", t.Name(), filepath.Join(elements...))
	}
	return path
}

// RequireRoot skips the test, by name, where it does not run as root; with WEIR_REQUIRE_ROOT=1 it fails instead.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("WEIR_REQUIRE_ROOT") == "1" {
		t.Fatalf("%s needs root, and WEIR_REQUIRE_ROOT=1 says it must run", t.Name())
	}
	t.Skipf("%s needs root (capture and network namespaces)", t.Name())
}
