package natshttp

import "context"

// budget bounds what the hosts may have sent and nobody has read yet, over all requests of a connection: a server cuts a
// client off that lets too much of it wait (max_pending, 64 MB by default). It is counted in units of firstUnit bytes.
type budget struct{ units chan struct{} }

func newBudget(bytes int64) budget {
	return budget{make(chan struct{}, max(bytes/firstUnit, 1))}
}

// acquire takes one unit, as soon as there is one.
func (b budget) acquire(ctx context.Context) error {
	select {
	case b.units <- struct{}{}:
		return nil
	default:
	}
	select {
	case b.units <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// more takes up to so many units that are free now. It leaves half of the budget to requests that have none yet: those
// whose answers nobody reads must not keep others from being asked.
func (b budget) more(most int) (taken int) {
	for ; taken < most && len(b.units) < cap(b.units)/2; taken++ {
		select {
		case b.units <- struct{}{}:
		default:
			return taken
		}
	}
	return taken
}

func (b budget) release(units int) {
	for range units {
		<-b.units
	}
}
