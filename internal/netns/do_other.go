//go:build !linux

package netns

import "errors"

// Do needs Linux.
func (n *NS) Do(func() error) error { return errors.New("network namespaces need Linux") }
