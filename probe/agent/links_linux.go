package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// watch sends whenever the kernel says that an interface came, went or changed (rtnetlink(7)), until ctx ends. Without
// it, or where the receiver is not ready, interfaces are looked for as often as configured.
func watch(ctx context.Context, changed chan<- struct{}, logger *slog.Logger) {
	socket, err := linkSocket()
	if err != nil {
		logger.Warn("the kernel does not say when interfaces change", "error", err)
		return
	}
	defer context.AfterFunc(ctx, func() { _ = socket.Close() })()
	defer func() { _ = socket.Close() }()
	message := make([]byte, 16<<10) // what it says does not matter
	for {
		_, err := socket.Read(message)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, io.EOF) || errors.Is(err, unix.EINTR): // an empty message; a signal
			continue
		case err != nil && !errors.Is(err, unix.ENOBUFS): // ENOBUFS: more than could be told apart has changed
			logger.Warn("the kernel does not say any more when interfaces change", "error", err)
			return
		}
		select {
		case changed <- struct{}{}:
		default: // the receiver has yet to look at what was sent before
		}
	}
}

// linkSocket is a socket on which the kernel tells of interfaces. The runtime's poller waits for it: a thread that waits
// and looks around now and then would wake the runtime's monitor each time.
func linkSocket() (*os.File, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		_ = unix.Close(socket)
		return nil, err
	}
	return os.NewFile(uintptr(socket), "rtnetlink"), nil
}
