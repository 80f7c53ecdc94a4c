package agent

import (
	"context"
	"log/slog"

	"golang.org/x/sys/unix"
)

// watch sends whenever the kernel says that an interface came, went or changed (rtnetlink(7)), until ctx ends. Without
// it, or where the receiver is not ready, interfaces are looked for as often as configured.
func watch(ctx context.Context, changed chan<- struct{}, logger *slog.Logger) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil {
		defer func() { _ = unix.Close(socket) }()
		err = unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000})
	}
	if err == nil {
		err = unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK})
	}
	if err != nil {
		logger.Warn("the kernel does not say when interfaces change", "error", err)
		return
	}
	message := make([]byte, 16<<10) // what it says does not matter
	for ctx.Err() == nil {
		switch n, _, err := unix.Recvfrom(socket, message, 0); {
		case err == unix.EAGAIN || err == unix.EINTR:
			continue
		case err != nil && err != unix.ENOBUFS: // ENOBUFS: more than could be told apart has changed
			logger.Warn("the kernel does not say any more when interfaces change", "error", err)
			return
		case err == nil && n == 0:
			continue
		}
		select {
		case changed <- struct{}{}:
		default: // the receiver has yet to look at what was sent before
		}
	}
}
