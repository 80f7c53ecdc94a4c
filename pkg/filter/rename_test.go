package filter

import (
	"errors"
	"strings"
	"testing"
)

func TestRenameLists(t *testing.T) {
	c, err := Parse("dport = 53 and (host in (@b, 10.0.0.1) or sip in @a)")
	if err != nil {
		t.Fatal(err)
	}
	before := c.String()
	renamed, err := c.RenameLists(func(name string) (string, error) { return name + strings.Repeat("0", 4), nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(renamed.Lists(), " "); got != "b0000 a0000" || !strings.Contains(renamed.String(), "@b0000") || strings.Contains(renamed.String(), "@a)") {
		t.Errorf("%s: %s", renamed, got)
	}
	if c.String() != before {
		t.Errorf("the condition became %s", c)
	}
	if again, err := Parse(renamed.String()); err != nil || again.String() != renamed.String() {
		t.Errorf("%s reads as %s: %v", renamed, again, err)
	}
	if _, err := c.RenameLists(func(string) (string, error) { return "no name", nil }); err == nil {
		t.Error("no error for a name that is none")
	}
	broken := errors.New("broken")
	if _, err := c.RenameLists(func(string) (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if none, err := (*Condition)(nil).RenameLists(nil); none != nil || err != nil {
		t.Errorf("no condition: %v, %v", none, err)
	}
}
