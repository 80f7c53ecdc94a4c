package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/filter"
)

// actorsAlias stands for a set that was given with the request, in the echo of the condition.
const actorsAlias = "actors"

func (c *checker) condition(ctx context.Context, q *Query) {
	condition, err := filter.Parse(c.request.Condition)
	if err == nil && len(condition.Names()) > 0 {
		q.Lookups = make(map[string][]netip.Addr)
		if condition, err = c.resolve(ctx, condition, q.Lookups); err == nil {
			q.Request.Condition = condition.String()
		}
	}
	if err == nil && c.names.List != nil {
		condition, err = condition.WithLists(c.names.List)
	}
	if err == nil {
		_, err = condition.Compile() // says what is still open, at its place
	}
	if err != nil {
		c.conditionFault(err)
	}
	actors, ok := c.actors()
	if err != nil || !ok {
		return
	}
	condition = filter.And(condition, actors)
	if q.Matcher, err = condition.Compile(); err != nil {
		c.conditionFault(err)
		return
	}
	q.Condition = condition
}

// actors is the condition that the request's set of addresses stands for.
func (c *checker) actors() (*filter.Condition, bool) {
	a := c.request.Actors
	switch {
	case a == nil:
		return nil, true
	case a.List != "" && len(a.Set) > 0:
		c.fault("actors", nil, "list and set are given: one of them is the set of addresses")
		return nil, false
	case a.List != "":
		return c.actorList(a.List)
	case len(a.Set) == 0:
		c.fault("actors", nil, "the set of addresses is empty: give the name of a list in actors.list, or addresses and networks in actors.set")
		return nil, false
	}
	condition, faults := filter.Touching(actorsAlias, a.Set)
	for _, f := range faults {
		c.fault(fmt.Sprintf("actors.set[%d]", f.Index), a.Set[f.Index], "%s", f.Message)
	}
	return condition, len(faults) == 0
}

func (c *checker) actorList(name string) (*filter.Condition, bool) {
	condition := filter.TouchingList(strings.TrimPrefix(name, "@"))
	if condition == nil {
		c.fault("actors.list", name, "invalid name of a list: up to 64 letters, digits, dots, dashes and underscores are allowed")
		return nil, false
	}
	if c.names.List == nil {
		c.fault("actors.list", name, "the list %q is not known here", clip(name))
		return nil, false
	}
	condition, err := condition.WithLists(c.names.List)
	if err != nil {
		c.fault("actors.list", name, "reading the list %q: %v", clip(name), errors.Unwrap(err))
		return nil, false
	}
	return condition, true
}

func (c *checker) resolve(ctx context.Context, condition *filter.Condition, found map[string][]netip.Addr) (*filter.Condition, error) {
	names, lookup := condition.Names(), c.names.Lookup
	if lookup == nil {
		return nil, fmt.Errorf("host names have to be replaced by addresses first: %s", strings.Join(names, ", "))
	}
	timeout := c.request.LookupTime()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return condition.Resolve(func(name string) ([]netip.Addr, error) {
		addresses, err := lookup(ctx, name)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v", timeout)
		}
		if err == nil && len(addresses) == 0 {
			err = errors.New("no address")
		}
		if err == nil {
			found[name] = addresses
		}
		return slices.Clone(addresses), err // the condition names what was looked up, and where it stands
	})
}

func (c *checker) conditionFault(err error) {
	c.fault("condition", c.request.Condition, "%v", err)
	var syntax *filter.Error
	if errors.As(err, &syntax) {
		c.faults[len(c.faults)-1].Position = &Position{
			Offset: syntax.Offset, Length: syntax.Length, Expected: syntax.Expected, Nearest: syntax.Nearest,
		}
	}
}
