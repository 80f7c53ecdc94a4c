package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A trace that cannot be opened has no line in the report: nothing is known of it.
func TestReplayReportsOnlyWhatItRead(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.pcap")
	var stdout, stderr strings.Builder
	code := execute(t.Context(), []string{"replay", "--db", filepath.Join(t.TempDir(), "store"), absent}, &stdout, &stderr)
	if code != exitFault || stdout.String() != "" {
		t.Errorf("exit code %d, report %q", code, &stdout)
	}
	if line := stderr.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, absent) {
		t.Errorf("the error is not one line with the trace's name: %q", line)
	}
}
