package lookup

import "encoding/binary"

// hexDigits are the values of hexadecimal digits, notHex for other bytes.
var hexDigits = func() (table [256]uint8) {
	for i := range table {
		table[i] = notHex
	}
	for i := range 10 {
		table['0'+i] = uint8(i)
	}
	for i := range 6 {
		table['a'+i], table['A'+i] = uint8(10+i), uint8(10+i)
	}
	return table
}()

const notHex = 0xff

// Parse6 reads an IPv6 address that is written in hexadecimal digits and colons alone, faster than
// netip.ParseAddr. Where it says no, the text may still be an address of another form.
func Parse6(text string) (address [16]byte, ok bool) {
	const none = -1
	gap, parts, i := none, 0, 0
	if len(text) >= 2 && text[0] == ':' && text[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(text) && parts < 8 {
		value, start := uint32(0), i
		for i < len(text) {
			digit := hexDigits[text[i]]
			if digit == notHex {
				break
			}
			value = value<<4 | uint32(digit)
			i++
		}
		if n := i - start; n == 0 || n > 4 {
			return address, false
		}
		binary.BigEndian.PutUint16(address[2*parts:], uint16(value))
		parts++
		if i == len(text) {
			break
		}
		if text[i] != ':' || i+1 == len(text) || parts == 8 {
			return address, false
		}
		if i++; text[i] == ':' {
			if gap != none {
				return address, false
			}
			gap = parts
			i++
		}
	}
	switch {
	case i < len(text):
		return address, false
	case gap == none:
		return address, parts == 8
	case parts == 8:
		return address, false // a gap stands for one part at least
	}
	moved := copy(address[16-2*(parts-gap):], address[2*gap:2*parts])
	clear(address[2*gap : 16-moved])
	return address, true
}
