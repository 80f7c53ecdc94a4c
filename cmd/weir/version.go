package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/version"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "weir %s\n", version.String())
			return err
		},
	}
}
