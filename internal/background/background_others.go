//go:build !linux

package background

func run(_ int, f func()) { f() }
