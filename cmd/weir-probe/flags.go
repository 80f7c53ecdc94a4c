package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirflow/weir/pkg/flow"
)

// flagError names the nearest flag where one is unknown.
func flagError(c *cobra.Command, err error) error {
	_, typed, found := strings.Cut(err.Error(), "unknown flag: --")
	if !found {
		return err
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near, ok := flow.Nearest(typed, known); ok {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}
