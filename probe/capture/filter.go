package capture

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/probe/packet"
)

// filteredMark is how many bytes are captured of a frame that the filter leaves out: the kernel would not count it if it
// were none. No frame that can be decoded is so short.
const filteredMark = 1

// The instructions of a program that are looked at, as in linux/bpf_common.h: the class and, of a return, its operand.
const (
	classMask    = 0x07
	classReturn  = 0x06
	returnsMask  = 0x18
	returnsValue = 0x00
	jumpAlways   = 0x05
)

// filters says that there is a filter.
func (cfg *LiveConfig) filters() bool { return cfg.Filter != "" || len(cfg.BPF) > 0 }

// ValidateFilter says what is wrong with the filter, whatever the interface.
func (cfg *LiveConfig) ValidateFilter() error {
	_, err := cfg.program(packet.LinkEthernet)
	return err
}

// program is what the kernel runs for every frame: it cuts the frame at the snap length, or at filteredMark.
func (cfg *LiveConfig) program(link packet.Link) ([]bpf.RawInstruction, error) {
	filter, err := compileFilter(cfg.Filter, link)
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", cfg.Filter, err)
	}
	program := append(goOn(filter), goOn(cfg.BPF)...)
	if len(program) >= maxProgram {
		return nil, fmt.Errorf("filter is a program of %d instructions: it must be less than %d", len(program), maxProgram)
	}
	if len(cfg.BPF) > 0 {
		if err := checkProgram(cfg.BPF); err != nil {
			return nil, fmt.Errorf("filter program: %w", err)
		}
	}
	return append(program, ret(uint32(cfg.SnapLength))), nil
}

func ret(value uint32) bpf.RawInstruction {
	return bpf.RawInstruction{Op: classReturn, K: value}
}

// goOn makes of a program that returns one that comes to its end where it would keep a frame, and that marks the frame
// where it would not. Where the accumulator says it, the jump goes to a test at the end.
func goOn(program []bpf.RawInstruction) []bpf.RawInstruction {
	if len(program) == 0 {
		return nil
	}
	const epilogue = 3
	size := len(program)
	out := make([]bpf.RawInstruction, 0, size+epilogue)
	for i, raw := range program {
		switch {
		case raw.Op&classMask != classReturn:
		case raw.Op&returnsMask != returnsValue: // the accumulator: to the test
			raw = bpf.RawInstruction{Op: jumpAlways, K: uint32(size - i)}
		case raw.K == 0:
			raw = ret(filteredMark)
		default: // behind the test
			raw = bpf.RawInstruction{Op: jumpAlways, K: uint32(size + epilogue - 1 - i)}
		}
		out = append(out, raw)
	}
	return append(out,
		bpf.RawInstruction{Op: jumpAlways, K: epilogue - 1},           // who comes to the end
		bpf.RawInstruction{Op: 0x15 /* jeq #0 */, Jt: 0, Jf: 1, K: 0}, // the test
		ret(filteredMark))
}

// checkProgram says what the kernel would refuse without a reason: it knows instructions, and jumps that stay inside.
func checkProgram(program []bpf.RawInstruction) error {
	for i, raw := range program {
		if _, unknown := raw.Disassemble().(bpf.RawInstruction); unknown {
			return fmt.Errorf("instruction %d (op %#x) is unknown", i+1, raw.Op)
		}
		left := len(program) - i - 1 // to the end, which may be jumped to
		switch instruction := raw.Disassemble().(type) {
		case bpf.Jump:
			if int64(instruction.Skip) > int64(left) {
				return fmt.Errorf("instruction %d jumps out of the program", i+1)
			}
		case bpf.JumpIf, bpf.JumpIfX:
			if int(max(raw.Jt, raw.Jf)) > left {
				return fmt.Errorf("instruction %d jumps out of the program", i+1)
			}
		}
	}
	if len(program) > maxProgram {
		return errors.New("too long")
	}
	return nil
}
