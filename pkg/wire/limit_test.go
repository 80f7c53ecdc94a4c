package wire

import "testing"

func TestLimitError(t *testing.T) {
	err := &LimitError{What: "groups", Limit: 10, Remedy: "ask for less"}
	if got, want := err.Error(), "more than 10 groups, the limit of this server: ask for less"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
