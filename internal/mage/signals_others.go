//go:build !linux

package main

// forwardSignals does nothing where the terminal is the only one to send signals.
func forwardSignals() (stop func()) { return func() {} }
