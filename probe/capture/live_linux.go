package capture

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/fako1024/gotools/link"
	"github.com/fako1024/slimcap/capture/afpacket/afring"
	"github.com/fako1024/slimcap/filter"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// snapLength is how many bytes of a frame are captured: enough for tags, an IPv6 header with extensions, and the
// head of a packet that an ICMP error quotes.
const snapLength = 256

// OpenLive captures on an interface that exists and is up, by slimcap's AF_PACKET ring. The kernel hands over a
// frame at most Latency after it arrived. slimcap asks the kernel for IPv4, IPv6 and PPPoE session frames only:
// others are neither handed over nor counted. Its errors wrap ErrNoInterface, ErrInterfaceDown, ErrNoPermission or
// ErrUnsupportedLink where it is one of those.
func OpenLive(cfg LiveConfig) (Source, error) {
	source, err := openLive(cfg)
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", cfg.Interface, err)
	}
	return source, nil
}

func openLive(cfg LiveConfig) (Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	device, kind, err := findDevice(cfg.Interface)
	if err != nil {
		return nil, err
	}
	var closers []io.Closer
	if cfg.Promiscuous {
		mode, err := promiscuous(device.Index)
		if err != nil {
			return nil, explain(err, cfg.Interface)
		}
		closers = append(closers, mode)
	}
	source, err := afring.NewSourceFromLink(device,
		afring.CaptureLength(filter.CaptureLengthFixed(snapLength)),
		afring.BufferSize(cfg.BlockSize, cfg.Blocks))
	if err != nil {
		closeAll(closers)
		return nil, explain(err, cfg.Interface)
	}
	if event, ok := eventDescriptor(source); ok {
		closers = append(closers, event)
	}
	return NewRing(source, cfg.Interface, kind, closers...), nil
}

func (cfg LiveConfig) withDefaults() (LiveConfig, error) {
	if cfg.BlockSize == 0 {
		cfg.BlockSize = DefaultBlockSize
	}
	if cfg.Blocks == 0 {
		cfg.Blocks = DefaultBlocks
	}
	switch size, smallest := cfg.BlockSize, os.Getpagesize(); {
	case size < smallest || size > MaxBlockSize || bits.OnesCount(uint(size)) != 1:
		return cfg, fmt.Errorf("ring block size %d is not a power of two from %d to %d", size, smallest, MaxBlockSize)
	case cfg.Blocks < MinBlocks || cfg.Blocks > MaxBlocks:
		return cfg, fmt.Errorf("number of ring blocks %d is not from %d to %d", cfg.Blocks, MinBlocks, MaxBlocks)
	case cfg.Blocks > MaxRingSize/size:
		return cfg, fmt.Errorf("ring of %d blocks of %d bytes is larger than %d bytes", cfg.Blocks, size, MaxRingSize)
	}
	return cfg, nil
}

// findDevice looks an interface up, and says how its frames start.
func findDevice(name string) (*link.Link, packet.Link, error) {
	existing, err := Interfaces()
	if err != nil {
		return nil, 0, err
	}
	if !slices.Contains(existing, name) {
		return nil, 0, noInterface(name, existing)
	}
	if device, err := net.InterfaceByName(name); err == nil && device.Flags&net.FlagUp == 0 {
		return nil, 0, interfaceDown(name)
	}
	device, err := link.New(name)
	if err != nil {
		return nil, 0, explain(err, name)
	}
	kind := packet.FromARPHRD(uint16(device.Type))
	switch kind {
	case packet.LinkUnknown:
		return nil, 0, fmt.Errorf("%w: device type %d (linux/if_arp.h)", ErrUnsupportedLink, int(device.Type))
	case packet.LinkRawIP:
		// slimcap panics on those of these types that it does not know; it treats all that it knows alike.
		device.Type = link.TypeNone
	}
	return device, kind, nil
}

func noInterface(name string, existing []string) error {
	hint := ""
	if nearest, ok := flow.Nearest(name, existing); ok {
		hint = fmt.Sprintf("; did you mean %q?", nearest)
	}
	return fmt.Errorf("%w%s (there are: %s)", ErrNoInterface, hint, strings.Join(existing, ", "))
}

func interfaceDown(name string) error {
	return fmt.Errorf("%w: take it up with `ip link set %s up`", ErrInterfaceDown, name)
}

// explain says what an error of the kernel or of slimcap means and what to do about it.
func explain(err error, name string) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		program, pathErr := os.Executable()
		if pathErr != nil {
			program = "PATH-OF-THE-PROGRAM"
		}
		return fmt.Errorf("%w: the capability CAP_NET_RAW is missing; grant it with `setcap cap_net_raw=ep %s`, "+
			"with AmbientCapabilities=CAP_NET_RAW in the systemd unit, or run as root", ErrNoPermission, program)
	case errors.Is(err, link.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return ErrNoInterface
	case errors.Is(err, link.ErrNotUp), errors.Is(err, unix.ENETDOWN):
		return interfaceDown(name)
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("the kernel has no memory for the ring, smaller or fewer blocks may help: %w", err)
	}
	return err
}

// descriptor is a file descriptor that is only closed.
type descriptor int

func (d descriptor) Close() error { return unix.Close(int(d)) }

// promiscuous takes an interface into promiscuous mode until the result is closed. The mode belongs to the
// interface, so a socket of its own, which receives nothing, can hold it: slimcap v1.0.9 sets it on the wrong
// socket level.
func promiscuous(index int) (io.Closer, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set promiscuous mode: %w", err)
	}
	return descriptor(fd), nil
}

// eventDescriptor finds the event descriptor that slimcap v1.0.9 opens with every source and never closes, so that
// interfaces that come and go do not use up the descriptors. A test holds that it is found.
func eventDescriptor(source *afring.Source) (io.Closer, bool) {
	handler := reflect.ValueOf(source).Elem().FieldByName("eventHandler")
	if !handler.IsValid() || handler.Kind() != reflect.Pointer || handler.IsNil() {
		return nil, false
	}
	fd := handler.Elem().FieldByName("Efd")
	if !fd.IsValid() || !fd.CanInt() || fd.Int() <= 0 {
		return nil, false
	}
	return descriptor(fd.Int()), true
}

func closeAll(closers []io.Closer) {
	for _, c := range closers {
		_ = c.Close()
	}
}
