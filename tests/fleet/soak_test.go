//go:build soak

package fleet_test

// How much is tried in a soak.
const (
	worlds    = 400
	questions = 100
)
