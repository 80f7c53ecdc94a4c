// Command mage is mage (github.com/magefile/mage) as this module's go tool, with two habits more: options may be
// written with two dashes (go tool mage demo --once), and a signal sent to it alone reaches the running target.
package main

import (
	"os"
	"strings"

	"github.com/magefile/mage/mage"
)

func main() {
	arguments := os.Args[1:]
	for i, a := range arguments {
		if strings.HasPrefix(a, "--") && len(a) > 2 {
			arguments[i] = a[1:]
		}
	}
	stop := forwardSignals()
	code := mage.ParseAndRun(os.Stdout, os.Stderr, os.Stdin, arguments)
	stop()
	os.Exit(code)
}
