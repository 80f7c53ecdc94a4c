package span

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// notes writes down what is recorded.
type notes struct{ lines []string }

type depth struct{}

func (n *notes) Start(ctx context.Context, name string) (context.Context, Sink) {
	level, _ := ctx.Value(depth{}).(int)
	n.lines = append(n.lines, fmt.Sprintf("start %s at %d", name, level))
	return context.WithValue(ctx, depth{}, level+1), &note{n, name}
}

type note struct {
	*notes
	name string
}

func (n *note) Text(key, value string) { n.lines = append(n.lines, n.name+" "+key+"="+value) }
func (n *note) Int(key string, value int64) {
	n.lines = append(n.lines, fmt.Sprint(n.name, " ", key, "=", value))
}
func (n *note) End(err error) { n.lines = append(n.lines, fmt.Sprint("end ", n.name, " ", err)) }

func TestSpansNest(t *testing.T) {
	var n notes
	ctx, outer := Start(With(t.Context(), &n), "query")
	_, inner := Start(ctx, "scan")
	inner.Text("iface", "eth0")
	inner.Int("rows", 7)
	inner.End(errors.New("gone"))
	outer.End(nil)
	want := "[start query at 0 start scan at 1 scan iface=eth0 scan rows=7 end scan gone end query <nil>]"
	if got := fmt.Sprint(n.lines); got != want || !outer.Recording() {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNothingIsRecordedWithoutRecorder(t *testing.T) {
	ctx := t.Context()
	allocations := testing.AllocsPerRun(100, func() {
		within, s := Start(ctx, "scan")
		s.Text("iface", "eth0")
		s.Int("rows", 1<<40)
		s.End(nil)
		if within != ctx || s.Recording() {
			t.Error("something is recorded")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestParent(t *testing.T) {
	if got := Parent(t.Context()); got != "" {
		t.Errorf("parent of nothing: %q", got)
	}
	if got := Parent(WithParent(t.Context(), "00-a-b-01")); got != "00-a-b-01" {
		t.Errorf("parent %q", got)
	}
}
