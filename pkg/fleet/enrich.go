package fleet

import (
	"context"

	"github.com/weirflow/weir/pkg/wire"
)

// able is a Client that says what its server can do.
type able interface {
	Abilities(ctx context.Context) (wire.Abilities, error)
}

// enriches says whether the server behind a client knows where addresses belong. Those that do say it for the rows of
// all: the fleet itself opens no files.
func enriches(ctx context.Context, c Client) bool {
	asked, ok := c.(able)
	if !ok {
		return false
	}
	abilities, err := asked.Abilities(ctx)
	return err == nil && abilities.Can(wire.FeatureEnrich)
}
