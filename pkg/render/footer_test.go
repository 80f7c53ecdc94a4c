package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/wire"
)

func TestWarnings(t *testing.T) {
	if got := Warnings(pair()); got != nil {
		t.Errorf("warnings about a sound answer: %q", got)
	}
	r := hostile()
	r.Summary.Accounting = &wire.Accounting{Received: 90, Dropped: 10}
	r.Summary.Stats.BlocksCorrupted = 1
	want := []string{
		`1 of 2 hosts did not answer: evil\x1b[1mhost: \x9b31m fake line`,
		"a damaged block of the store is not part of this answer",
		"capture: 10 of 100 packets lost (10.00 %)",
	}
	if diff := cmp.Diff(want, Warnings(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailed(t *testing.T) {
	for s, want := range map[wire.Status]bool{
		{Code: wire.CodeOK}: false, {Code: wire.CodeEmpty}: false, {Code: wire.CodeMissingData}: false,
		{Code: wire.CodeError}: true, {Code: wire.CodeTooManyRequests}: true,
		{Code: wire.CodeOK, State: wire.StateTimeout}: true, {Code: wire.CodeError, State: wire.StateNoData}: false,
	} {
		if Failed(s) != want {
			t.Errorf("Failed(%+v) = %v", s, !want)
		}
	}
}
