package serve

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who opened the socket: unix(7), SO_PEERCRED.
func peerOf(c *net.UnixConn) peer {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}
	}
	var credentials *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil || failed != nil {
		return peer{}
	}
	return peer{known: true, uid: credentials.Uid, pid: credentials.Pid}
}
