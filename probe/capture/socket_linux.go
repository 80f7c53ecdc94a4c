package capture

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// frameSize is what the kernel is told a frame takes. A TPACKET_V3 ring packs frames as they come, but still checks
// that blocks are made of whole ones.
const frameSize = 2048

// openRing sets a ring up. The socket belongs to no protocol until everything else is set: only then, bound to the
// one interface, it receives, so that the ring never holds a frame of another interface or one that is not cut.
func openRing(cfg LiveConfig, on device) (Source, error) {
	program, err := cfg.program(on.link)
	if err != nil {
		return nil, err
	}
	r := newRing(cfg, on)
	if err := r.setUp(cfg, program); err != nil {
		_ = r.release()
		return nil, err
	}
	return r, nil
}

func newRing(cfg LiveConfig, on device) *ring {
	return &ring{socket: -1, event: -1, index: on.index, name: cfg.Interface, latency: cfg.Latency, blockSize: cfg.BlockSize,
		block: ringBlock{filtered: cfg.filters()}, link: on.link, total: Stats{Link: on.link}}
}

func (r *ring) setUp(cfg LiveConfig, program []bpf.RawInstruction) (err error) {
	if r.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("make an event counter: %w", err)
	}
	if r.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("make a packet socket: %w", err)
	}
	if err := r.mapRing(cfg); err != nil {
		return err
	}
	if err := r.attach(program); err != nil {
		return err
	}
	if cfg.Promiscuous {
		request := unix.PacketMreq{Ifindex: int32(r.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.socket, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
			return fmt.Errorf("set promiscuous mode: %w", err)
		}
	}
	address := unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: r.index}
	if err := unix.Bind(r.socket, &address); err != nil {
		return fmt.Errorf("bind the packet socket: %w", err)
	}
	return nil
}

// mapRing makes the ring and maps it. Its pages are the kernel's own: they are never swapped, so there is nothing to
// lock; MAP_LOCKED would only be held against the limit of locked memory.
func (r *ring) mapRing(cfg LiveConfig) (err error) {
	if err := unix.SetsockoptInt(r.socket, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("ask for a TPACKET_V3 ring: %w", err)
	}
	size := cfg.BlockSize * cfg.Blocks
	request := unix.TpacketReq3{
		Block_size: uint32(cfg.BlockSize), Block_nr: uint32(cfg.Blocks),
		Frame_size: frameSize, Frame_nr: uint32(size / frameSize),
		Retire_blk_tov: uint32(cfg.Latency.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(r.socket, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return fmt.Errorf("make a ring of %d blocks of %d bytes: %w", cfg.Blocks, cfg.BlockSize, err)
	}
	if r.memory, err = unix.Mmap(r.socket, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	return nil
}

// attach sets the program that says which frames are captured, and how much of them.
func (r *ring) attach(program []bpf.RawInstruction) error {
	if err := setProgram(r.socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program); err != nil {
		return fmt.Errorf("set the capture filter and the snap length: %w", err)
	}
	return nil
}

// networkOrder is a number whose bytes in memory are v in network byte order.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
