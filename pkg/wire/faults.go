package wire

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// alsoWrong are the faults that Prepare would find in a request whose form is faulty already, so that all are reported
// at once: those of other members, and of members that do not depend on faulty ones. Names count as known.
func alsoWrong(r *Request, known []Fault) []Fault {
	anything := Names{
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{netip.IPv6Unspecified()}, nil },
		List:   ListElsewhere,
	}
	_, err := r.PrepareWith(context.Background(), time.Now(), anything)
	var p *Problem
	if !errors.As(err, &p) {
		return nil
	}
	faulty := func(location string) bool {
		return slices.ContainsFunc(known, func(f Fault) bool {
			return f.Location == location || strings.HasPrefix(location, f.Location+".") || strings.HasPrefix(f.Location, location+".")
		})
	}
	return slices.DeleteFunc(p.Errors, func(f Fault) bool {
		derived := f.Location == "body.compare" || f.Location == "body.first"
		return faulty(f.Location) || derived && (faulty("body.first") || faulty("body.last"))
	})
}
