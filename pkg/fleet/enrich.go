package fleet

import (
	"context"

	"github.com/weirflow/weir/pkg/wire"
)

// enriches says whether the server behind a client knows where addresses belong. Those that do say it for the rows of
// all: the fleet itself opens no files.
func enriches(ctx context.Context, c Client) bool {
	asked, ok := c.(Abler)
	if !ok {
		return false
	}
	abilities, err := asked.Abilities(ctx)
	return err == nil && abilities.Can(wire.FeatureEnrich)
}
