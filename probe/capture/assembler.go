package capture

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// assembler writes a program for the kernel's packet filter (Documentation/networking/filter.rst) with labels in
// place of distances.
type assembler struct {
	code  []step
	names int // labels handed out
}

// step is an instruction, or the place of a label. Conditional jumps go to yes and no.
type step struct {
	bpf.Instruction
	yes, no, here label
}

// label is a place in a program; 0 is the next instruction.
type label int

func (a *assembler) label() label { a.names++; return label(a.names) }

// at puts a label in front of the next instruction.
func (a *assembler) at(l label) { a.code = append(a.code, step{here: l}) }

func (a *assembler) add(instructions ...bpf.Instruction) {
	for _, i := range instructions {
		a.code = append(a.code, step{Instruction: i})
	}
}

// jump goes to yes if the accumulator compares so with a value, else to no.
func (a *assembler) jump(condition bpf.JumpTest, value uint32, yes, no label) {
	a.code = append(a.code, step{bpf.JumpIf{Cond: condition, Val: value}, yes, no, 0})
}

func (a *assembler) goTo(l label) { a.code = append(a.code, step{bpf.Jump{}, l, 0, 0}) }

// maxProgram is the most instructions that the kernel takes (BPF_MAXINSNS).
const maxProgram = 4096

// assemble resolves the labels. A conditional jump that is longer than its distance can say is an error.
func (a *assembler) assemble() ([]bpf.RawInstruction, error) {
	places, n := map[label]int{}, 0
	for _, s := range a.code {
		if s.here != 0 {
			places[s.here] = n
		} else {
			n++
		}
	}
	if n > maxProgram {
		return nil, fmt.Errorf("program of %d instructions: at most %d are possible", n, maxProgram)
	}
	resolved := make([]bpf.Instruction, 0, n)
	for _, s := range a.code {
		if s.here != 0 {
			continue
		}
		next := len(resolved) + 1
		distance := func(l label) int {
			if l == 0 {
				return 0
			}
			return places[l] - next
		}
		switch i := s.Instruction.(type) {
		case bpf.Jump:
			i.Skip = uint32(distance(s.yes))
			s.Instruction = i
		case bpf.JumpIf:
			yes, no := distance(s.yes), distance(s.no)
			if max(yes, no) > 255 || min(yes, no) < 0 {
				return nil, fmt.Errorf("program of %d instructions has a jump that is too long", n)
			}
			if s.yes != 0 || s.no != 0 { // else it says itself how far
				i.SkipTrue, i.SkipFalse = uint8(yes), uint8(no)
			}
			s.Instruction = i
		}
		resolved = append(resolved, s.Instruction)
	}
	return bpf.Assemble(resolved)
}
