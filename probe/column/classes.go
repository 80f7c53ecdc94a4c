package column

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	// classCount is the number of classes: of each bit length one for either value of the bit below the highest.
	classCount = 128
	// maxFrequent is the greatest number of values that are symbols of their own.
	maxFrequent = 100
)

// classOf returns the class of a value and how many of its lowest bits the class leaves open. The classes are in the
// order of their values: 0, 1, 2, 3, 4-5, 6-7, 8-11, 12-15, 16-23 and so on.
func classOf(v uint64) (class, open uint) {
	open = uint(bits.Len64(v|2)) - 2
	return 2*open + uint(v>>open), open
}

// classBase is the smallest value of a class; open is the number of bits it leaves open.
func classBase(class uint) (base uint64, open uint) {
	if class < 4 {
		return uint64(class), 0
	}
	open = class/2 - 1
	return uint64(class-2*open) << open, open
}

// frequent finds the values of a column that are worth a symbol of their own.
type frequent struct {
	slots  []slot          // hash table with open addressing
	used   []uint16        // the slots that are taken
	slotOf []uint16        // of each value, noSlot if it was not counted
	chosen []choice        // in ascending order of values
	class  [classCount]int // how many values each class has
}

type slot struct {
	value  uint64
	count  uint32 // 0 if the slot is free
	symbol int32  // number among the chosen values, noSymbol if it is none of them
}

// choice is a value chosen to be a symbol.
type choice struct {
	slot
	at   uint16 // its slot
	gain int    // in 1/256 bit
}

const (
	slotBits = 13
	maxUsed  = 3 << (slotBits - 2)
	noSlot   = 1<<16 - 1
	noSymbol = -1
)

// count counts all values by class, and those that leave bits open by value. Values that come up when three quarters
// of the slots are taken are not counted.
func (f *frequent) count(values []uint64) {
	if f.slots == nil {
		f.slots = make([]slot, 1<<slotBits)
	}
	for _, at := range f.used {
		f.slots[at] = slot{}
	}
	f.used = f.used[:0]
	f.slotOf = grow(f.slotOf, len(values))
	clear(f.class[:])
	for i, v := range values {
		class, open := classOf(v)
		f.class[class]++
		f.slotOf[i] = noSlot
		if open == 0 {
			continue
		}
		at := v * 0x9e3779b97f4a7c15 >> (64 - slotBits)
		for f.slots[at].count != 0 && f.slots[at].value != v {
			at = (at + 1) % (1 << slotBits)
		}
		s := &f.slots[at]
		if s.count == 0 {
			if len(f.used) == maxUsed {
				continue
			}
			f.used = append(f.used, uint16(at))
			s.value, s.symbol = v, noSymbol
		}
		s.count++
		f.slotOf[i] = uint16(at)
	}
}

// choose picks the values whose symbols save more bits than their place in the table costs, and takes them off
// their classes.
func (f *frequent) choose() {
	f.chosen = f.chosen[:0]
	for _, at := range f.used {
		if s := f.slots[at]; s.count >= 4 {
			if gain := f.gain(s); gain > 0 {
				f.chosen = append(f.chosen, choice{s, at, gain})
			}
		}
	}
	if len(f.chosen) > maxFrequent {
		slices.SortFunc(f.chosen, func(a, b choice) int {
			return cmp.Or(cmp.Compare(b.gain, a.gain), cmp.Compare(a.value, b.value))
		})
		f.chosen = f.chosen[:maxFrequent]
	}
	slices.SortFunc(f.chosen, func(a, b choice) int { return cmp.Compare(a.value, b.value) })
	for i, c := range f.chosen {
		class, _ := classOf(c.value)
		f.class[class] -= int(c.count)
		f.slots[c.at].symbol = int32(i)
	}
}

// gain is what a symbol for the value saves, in 1/256 bit: all its open bits, less what it costs to tell the value
// from the rest of its class, less its place in the table.
func (f *frequent) gain(s slot) int {
	const place = 14 << 8
	class, open := classOf(s.value)
	all, mine := uint32(f.class[class]), s.count
	tell := int(mine) * (log2(all) - log2(mine))
	if rest := all - mine; rest > 0 {
		tell += int(rest) * (log2(all) - log2(rest))
	}
	return int(mine)*int(open)<<8 - tell - place
}

// log2 is the binary logarithm of x > 0 in 1/256, interpolated: it must be the same on every machine.
func log2(x uint32) int {
	n := bits.Len32(x) - 1
	return n<<8 + int((uint64(x)<<8>>n)&0xff)
}

// appendClassSet appends the set of classes in use and numbers them.
func appendClassSet(dst []byte, count *[classCount]int, symbolOf *[classCount]byte) ([]byte, int) {
	first, last := classCount, -1
	for class, n := range count {
		if n > 0 {
			first, last = min(first, class), class
		}
	}
	if last < 0 {
		return append(dst, 0, 0), 0
	}
	span := last - first + 1
	dst = append(dst, byte(first), byte(span))
	start, symbols := len(dst), 0
	dst = append(dst, make([]byte, (span+7)/8)...)
	for class := first; class <= last; class++ {
		if count[class] > 0 {
			at := class - first
			dst[start+at/8] |= 1 << (at % 8)
			symbolOf[class] = byte(symbols)
			symbols++
		}
	}
	return dst, symbols
}
