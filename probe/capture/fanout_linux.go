package capture

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// MaxRings is how many rings can share the frames of an interface.
const MaxRings = 64

// OpenGroup captures on an interface with several rings that share its frames, for as many readers: every frame is in
// one of them, all frames of a conversation in the same one, whichever way they go (fanoutProgram). They begin together,
// so that no conversation moves. Rings close one by one; what then comes for the conversations of a closed ring goes to
// others. BackendRing only. The errors are those of OpenLive.
func OpenGroup(cfg LiveConfig, rings int) ([]Source, error) {
	sources, err := openGroup(cfg, rings)
	if err != nil {
		return nil, fmt.Errorf("capture on %s with %d rings: %w", cfg.Interface, rings, err)
	}
	return sources, nil
}

func openGroup(cfg LiveConfig, rings int) ([]Source, error) {
	cfg, err := cfg.withDefaults()
	switch {
	case err != nil:
		return nil, err
	case rings < 1 || rings > MaxRings:
		return nil, fmt.Errorf("number of rings is not from 1 to %d", MaxRings)
	case cfg.Backend != BackendRing:
		return nil, fmt.Errorf("backend %s knows a single ring", cfg.Backend)
	case rings > MaxRingSize/cfg.BlockSize/cfg.Blocks:
		return nil, fmt.Errorf("rings of %d blocks of %d bytes are larger than %d bytes together", cfg.Blocks, cfg.BlockSize, MaxRingSize)
	}
	on, err := findDevice(cfg.Interface)
	if err != nil {
		return nil, err
	}
	program, err := cfg.program(on.link)
	if err != nil {
		return nil, err
	}
	group := make([]*ring, rings)
	if err := setUpGroup(group, cfg, on, program); err != nil {
		for _, r := range group {
			if r != nil {
				_ = r.release()
			}
		}
		return nil, explain(err, cfg.Interface)
	}
	sources := make([]Source, rings)
	for i, r := range group {
		sources[i] = r
	}
	return sources, nil
}

// setUpGroup makes the rings, which take nothing in until all of them share what there is.
func setUpGroup(group []*ring, cfg LiveConfig, on device, program []bpf.RawInstruction) error {
	nothing := []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}
	option := unix.PACKET_FANOUT_CBPF<<16 | unix.PACKET_FANOUT_FLAG_UNIQUEID<<16
	for i := range group {
		group[i] = newRing(cfg, on)
		if err := group[i].setUp(cfg, nothing); err != nil {
			return err
		}
		id, err := group[i].join(option)
		if err != nil {
			return err
		}
		option = unix.PACKET_FANOUT_CBPF<<16 | id // which may be 0
	}
	for _, r := range group {
		if err := r.attach(program); err != nil {
			return err
		}
	}
	return nil
}

// join makes the ring one of the fan-out group that the option asks for, and says which number it has. The kernel joins no
// fragments for it: that would hide them, and cost everybody.
func (r *ring) join(option int) (id int, err error) {
	if err := unix.SetsockoptInt(r.socket, unix.SOL_PACKET, unix.PACKET_FANOUT, option); err != nil {
		return 0, fmt.Errorf("join a fan-out group: %w", err)
	}
	if option, err = unix.GetsockoptInt(r.socket, unix.SOL_PACKET, unix.PACKET_FANOUT); err != nil {
		return 0, fmt.Errorf("ask for the number of the fan-out group: %w", err)
	}
	program, err := fanoutProgram()
	if err != nil {
		return 0, err
	}
	if err := setProgram(r.socket, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, program); err != nil {
		return 0, fmt.Errorf("set the program of the fan-out group: %w", err)
	}
	return option & 0xffff, nil
}

// setProgram hands a program to the kernel.
func setProgram(socket, level, option int, program []bpf.RawInstruction) error {
	if len(program) == 0 || len(program) > maxProgram {
		return errors.New("a program has from 1 to 4096 instructions")
	}
	code := make([]unix.SockFilter, len(program))
	for i, raw := range program {
		code[i] = unix.SockFilter{Code: raw.Op, Jt: raw.Jt, Jf: raw.Jf, K: raw.K}
	}
	return unix.SetsockoptSockFprog(socket, level, option, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}
