package span

import "context"

type pathKey struct{}

// WithPath returns a context that carries the identities of the servers that a request came through, the first asker
// first, for requests that follow from it: a server that finds itself among them is part of a loop.
func WithPath(ctx context.Context, path []string) context.Context {
	return context.WithValue(ctx, pathKey{}, path)
}

// Path is what WithPath set; the caller must not change it.
func Path(ctx context.Context) []string {
	path, _ := ctx.Value(pathKey{}).([]string)
	return path
}
