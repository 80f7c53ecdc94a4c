package capture

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// device is an interface that can be captured.
type device struct {
	index int
	link  packet.Link // how its frames start
}

// findDevice looks an interface up in the caller's network namespace.
func findDevice(name string) (device, error) {
	existing, err := Interfaces()
	if err != nil {
		return device{}, err
	}
	if !slices.Contains(existing, name) {
		return device{}, noInterface(name, existing)
	}
	found, err := net.InterfaceByName(name)
	if err != nil {
		return device{}, fmt.Errorf("look the interface up: %w", err)
	}
	if found.Flags&net.FlagUp == 0 {
		return device{}, interfaceDown(name)
	}
	hardware, err := hardwareType(name)
	if err != nil {
		return device{}, explain(err, name)
	}
	link := packet.FromARPHRD(hardware)
	if link == packet.LinkUnknown {
		return device{}, fmt.Errorf("%w: device type %d (linux/if_arp.h)", ErrUnsupportedLink, hardware)
	}
	return device{index: found.Index, link: link}, nil
}

// hardwareType is the device type of an interface (ARPHRD in linux/if_arp.h).
func hardwareType(name string) (uint16, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // any socket will do
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, request); err != nil {
		return 0, fmt.Errorf("read the device type: %w", err)
	}
	return request.Uint16(), nil // ifr_hwaddr.sa_family
}

// presence says what became of the interface that a socket captures on: nil where it is up under its name. It asks
// the socket's network namespace, whichever the caller's is.
func presence(socket, index int, name string) error {
	now, err := nameOf(socket, index)
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w any more", ErrNoInterface)
	case err != nil:
		return fmt.Errorf("look the interface up: %w", err)
	case now != name:
		return fmt.Errorf("%w any more: it is called %s now", ErrNoInterface, now)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request)
	}
	switch {
	case err != nil: // it went in between
		return fmt.Errorf("%w any more: %w", ErrNoInterface, err)
	case request.Uint16()&unix.IFF_UP == 0:
		return ErrInterfaceDown
	}
	return nil
}

// nameOf is the name that the interface of an index has now. (The runtime is not told of the system call, which hardly
// waits: it would wake its monitor each time, and readers of busy rings ask often.)
func nameOf(socket, index int) (string, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	request.SetUint32(uint32(index))
	if _, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCGIFNAME, uintptr(unsafe.Pointer(request))); errno != 0 {
		return "", errno
	}
	return request.Name(), nil
}
