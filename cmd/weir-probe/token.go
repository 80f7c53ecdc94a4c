package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/version"
)

func tokenCommand() *cobra.Command {
	var name, role string
	c := &cobra.Command{
		Use:   "token",
		Short: "make a token and the lines of configuration that let it in",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if role != "query" && role != "packets" && role != "admin" {
				return usageError{fmt.Errorf("--role: unknown role %q: expected query, packets or admin", role)}
			}
			if name == "" {
				return usageError{errors.New("--name is empty: the audit log shows it with every query")}
			}
			token := rand.Text()
			sum := sha256.Sum256([]byte(token))
			fmt.Fprintf(c.OutOrStdout(), "token, for the client: %s\n\napi:\n  tokens:\n    - name: %q\n      role: %s\n      sha256: %s\n",
				token, name, role, hex.EncodeToString(sum[:]))
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "grafana", "the token's `NAME` in the audit log")
	c.Flags().StringVar(&role, "role", "query", "`ROLE`: query, packets or admin")
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "weir-probe", version.String())
			return err
		},
	}
}
