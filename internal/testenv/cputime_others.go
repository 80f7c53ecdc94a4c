//go:build !linux

package testenv

import "testing"

// ReportCPU adds nothing on this system.
func ReportCPU(*testing.B) (done func()) { return func() {} }
