// Package version knows which build this is. Floor 0.
package version

import "runtime/debug"

// version is set by the linker (-X); see internal/devtool.
var version string

// String is the version the build was made with, else what the Go tool knows of the source, else "devel".
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
