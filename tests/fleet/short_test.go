//go:build !soak

package fleet_test

// How much is tried.
const (
	worlds    = 8
	questions = 25
)
