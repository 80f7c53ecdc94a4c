package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/weirflow/weir/pkg/wire"
)

// caller is who asks.
type caller struct {
	name string // for the audit log
	role Role
}

// token is a Token with its hash decoded.
type token struct {
	caller
	hash []byte
}

func decodeTokens(tokens []Token) []token {
	list := make([]token, len(tokens))
	for i, t := range tokens {
		hash, _ := hex.DecodeString(t.SHA256) // checked by Validate
		list[i] = token{caller{"token:" + t.Name, t.Role}, hash}
	}
	return list
}

// identify finds out who asks, or says with 401 or 403 why nobody we know.
func (s *Server) identify(r *http.Request) (caller, *wire.Problem) {
	l, _ := r.Context().Value(listenerKey{}).(*listener)
	switch {
	case l == nil:
		return caller{}, wire.NewProblem(http.StatusForbidden, "the request came through no known listener")
	case l.trusted:
		return caller{"trusted", RoleAdmin}, nil
	case l.cfg.Insecure != nil:
		return identifyInsecure(l.cfg.Insecure, r)
	case r.Header.Get("Authorization") != "":
		return s.identifyToken(r)
	case l.cfg.Unix != "":
		return identifyPeer(r), nil
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		role := l.cfg.TLS.ClientRole
		if role == "" {
			role = RoleQuery
		}
		return caller{"certificate:" + r.TLS.PeerCertificates[0].Subject.CommonName, role}, nil
	}
	return caller{}, wire.NewProblem(http.StatusUnauthorized, "authentication is needed: send a token as bearer token or as password, or a client certificate")
}

func identifyInsecure(cfg *Insecure, r *http.Request) (caller, *wire.Problem) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		address := peer.Addr().Unmap().WithZone("")
		for _, network := range cfg.Allow {
			if network.Contains(address) {
				role := cfg.Role
				if role == "" {
					role = RoleQuery
				}
				return caller{"insecure:" + address.String(), role}, nil
			}
		}
	}
	return caller{}, wire.NewProblem(http.StatusForbidden, "this listener does not serve the network you call from")
}

// identifyToken compares with every token, in a time that does not depend on which matches.
func (s *Server) identifyToken(r *http.Request) (caller, *wire.Problem) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, secret, ok = r.BasicAuth()
	}
	hash := sha256.Sum256([]byte(secret))
	var found *token
	tokens := *s.tokens.Load()
	for i := range tokens {
		if subtle.ConstantTimeCompare(hash[:], tokens[i].hash) == 1 {
			found = &tokens[i]
		}
	}
	if !ok || found == nil {
		return caller{}, wire.NewProblem(http.StatusUnauthorized, "the token is not known here")
	}
	return found.caller, nil
}

// peer is who opened a Unix socket.
type peer struct {
	known bool
	uid   uint32
	pid   int32
}

type peerKey struct{}

// peerContext notes who is at the other end of a Unix socket.
func peerContext(ctx context.Context, c net.Conn) context.Context {
	if u, ok := c.(*net.UnixConn); ok {
		return context.WithValue(ctx, peerKey{}, peerOf(u))
	}
	return ctx
}

// identifyPeer makes root an admin; others could open the socket, so they may query.
func identifyPeer(r *http.Request) caller {
	p, _ := r.Context().Value(peerKey{}).(peer)
	switch {
	case !p.known:
		return caller{"unix", RoleQuery}
	case p.uid == 0:
		return caller{fmt.Sprintf("uid:0 pid:%d", p.pid), RoleAdmin}
	}
	return caller{fmt.Sprintf("uid:%d pid:%d", p.uid, p.pid), RoleQuery}
}

// authorise says whether the caller may use a route with that role.
func authorise(c caller, role Role) *wire.Problem {
	if c.role.rank() >= role.rank() {
		return nil
	}
	return wire.NewProblem(http.StatusForbidden, fmt.Sprintf("this needs the role %s, you have %s", role, c.role))
}
