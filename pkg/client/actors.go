package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/weirflow/weir/pkg/actors"
)

// Upload gives the server a list of addresses, unless it has it already. Conditions then name it by its hash, "@HASH";
// a server forgets lists that are not used, and all when it ends.
func (c *Client) Upload(ctx context.Context, list *actors.List) error {
	kind, err := c.kind(ctx)
	if err != nil {
		return err
	}
	if !kind.Extended() {
		return c.fail(KindUser, nil, "name the addresses in the condition", "a goProbe v4 server takes no lists of addresses")
	}
	if c.call(ctx, http.MethodGet, "/_actors/"+url.PathEscape(list.Hash()), nil, nil, nil) == nil {
		return nil
	}
	return c.call(ctx, http.MethodPost, "/_actors", url.Values{"format": {"plain"}}, plainText(list.Text()), nil)
}
