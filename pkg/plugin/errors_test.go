package plugin

import (
	"fmt"
	"strings"
	"testing"
)

// A dashboard whose thousand hosts are gone says so in a line that can be read.
func TestManyHostsThatAreGone(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("gone-%04d", i)
	}
	response := askOne(t, threeHosts(), fmt.Sprintf(`{"version":2,"attributes":["sip"],"hosts":%q}`, strings.Join(names, ",")))
	if response.Error == nil {
		t.Fatal("hosts that are not there are accepted")
	}
	text := response.Error.Error()
	if !strings.HasPrefix(text, `unknown host "gone-0000"; known are amsterdam`) || !strings.HasSuffix(text, "; and at least 29 more faults") || len(text) > 500 {
		t.Errorf("error of %d bytes: %s", len(text), text)
	}
}
