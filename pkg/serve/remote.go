package serve

import (
	"context"
	"net/http"
)

// Remote serves requests that come another way than through a listener, such as over NATS: only callers with a token are
// let in, with the token's role, the same limits and the same audit as everybody. What they say of themselves otherwise,
// the request's remote address included, is believed as little as any header.
func (s *Server) Remote() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = nil // whoever carried the request verified nothing for us
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), listenerKey{}, &listener{})))
	})
}

// CallerRole is the role of whoever asked the question that ctx belongs to; RoleNone outside of one.
func CallerRole(ctx context.Context) Role {
	if role := callerOf(ctx).role; role != "" {
		return role
	}
	return RoleNone
}
