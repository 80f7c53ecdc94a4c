//go:build !linux

package serve

import "net"

// peerOf does not know the peer on this system: whoever can open the socket may query.
func peerOf(*net.UnixConn) peer { return peer{} }
