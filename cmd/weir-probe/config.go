package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/config"
)

func checkCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check-config",
		Short: "check a configuration file and say what it would capture",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			existing, err := capture.Interfaces()
			if err != nil {
				return fmt.Errorf("list interfaces: %w", err)
			}
			matched, unmatched, err := capture.Match(cfg.Capture.Interfaces, cfg.Capture.Exclude, existing)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is valid; interfaces to capture now: %q", path, matched)
			if len(unmatched) > 0 {
				fmt.Fprintf(c.OutOrStdout(), "; not there: %q", unmatched)
			}
			fmt.Fprintln(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().StringVar(&path, "config", config.DefaultPath, "configuration `FILE`")
	return c
}

func exampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "example-config",
		Short: "print a configuration with every key, its meaning and its default",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), config.Example())
			return err
		},
	}
}
