//go:build !linux

package store

// lowerPriority does nothing here.
func lowerPriority() {}
