//go:build !soak

package store

// soak says that tests may take hours.
const soak = false
