package capture

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// frameSize is what the kernel is told a frame takes. A TPACKET_V3 ring packs frames as they come, but still checks
// that blocks are made of whole ones.
const frameSize = 2048

// openRing sets a ring up. The socket belongs to no protocol until everything else is set: only then, bound to the
// one interface, it receives, so that the ring never holds a frame of another interface or one that is not cut.
func openRing(cfg LiveConfig, on device) (Source, error) {
	r := &ring{socket: -1, event: -1, index: on.index, name: cfg.Interface, latency: cfg.Latency, blockSize: cfg.BlockSize}
	if err := r.setUp(cfg); err != nil {
		_ = r.release()
		return nil, err
	}
	return r, nil
}

func (r *ring) setUp(cfg LiveConfig) (err error) {
	if r.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("make an event counter: %w", err)
	}
	if r.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("make a packet socket: %w", err)
	}
	if err := r.mapRing(cfg); err != nil {
		return err
	}
	snap := uint32(cfg.SnapLength)
	if cfg.Fanout != 0 {
		snap = 0 // nothing, until the ring shares what there is with the others
	}
	if err := r.capture(snap); err != nil {
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
	if cfg.Fanout != 0 {
		return r.join(cfg)
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

// capture cuts frames at a length, by the shortest filter there is; 0 lets none through.
func (r *ring) capture(length uint32) error {
	instruction := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: length}
	program := unix.SockFprog{Len: 1, Filter: &instruction}
	if err := unix.SetsockoptSockFprog(r.socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return fmt.Errorf("set the snap length: %w", err)
	}
	return nil
}

// join makes the ring one of its fan-out group, and lets frames in. The kernel picks the ring of a frame by a hash
// that is the same for both directions of a flow. Only a bound socket can join, hence the filter before.
func (r *ring) join(cfg LiveConfig) error {
	option := int(cfg.Fanout) | unix.PACKET_FANOUT_HASH<<16
	if err := unix.SetsockoptInt(r.socket, unix.SOL_PACKET, unix.PACKET_FANOUT, option); err != nil {
		return fmt.Errorf("join fan-out group %d: %w", cfg.Fanout, err)
	}
	return r.capture(uint32(cfg.SnapLength))
}

// networkOrder is a number whose bytes in memory are v in network byte order.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
