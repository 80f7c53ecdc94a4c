//go:build !linux

package capture

import (
	"fmt"
	"runtime"
)

// OpenGroup captures on Linux only.
func OpenGroup(cfg LiveConfig, _ int) ([]Source, error) {
	_, err := OpenLive(cfg)
	return nil, err
}

// OpenLive captures on Linux only; traces are read everywhere.
func OpenLive(cfg LiveConfig) (Source, error) {
	return nil, fmt.Errorf("capture on %s: live capture needs Linux, this is %s", cfg.Interface, runtime.GOOS)
}
