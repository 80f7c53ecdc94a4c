package checkpoint

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/weirflow/weir/pkg/flow"
)

// errDamaged says that a block is cut or damaged: the log ends before it.
var errDamaged = errors.New("damaged block")

// contents is what a log holds, gathered block by block.
type contents struct {
	head     Head
	state    State
	commits  int
	sums     map[uint32]sum // by conversation, as of the last commit
	staged   []Conversation // parts that no commit has confirmed
	sealed   bool
	end      int64
	duration time.Duration
	torn     bool // something follows that is cut or damaged
}

// sum is what the last checkpoint says of a conversation.
type sum struct {
	record flow.Record
	open   []byte
}

// read reads a log as far as it is whole. An error says that this is no log of ours, or that reading failed.
func read(r io.Reader) (*contents, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var start [len(magic) + 4]byte
	if _, err := io.ReadFull(in, start[:]); err != nil {
		return nil, cut(err, "file is cut within its first bytes")
	}
	if string(start[:len(magic)]) != magic {
		return nil, errors.New("not a checkpoint")
	}
	if v := binary.LittleEndian.Uint32(start[len(magic):]); v != version {
		return nil, fmt.Errorf("format version %d is not known (this program knows %d)", v, version)
	}
	kind, payload, err := readBlock(in)
	if err != nil || kind != typeHead {
		return nil, cut(err, "first block is damaged")
	}
	c := &contents{sums: map[uint32]sum{}}
	if err := c.setHead(payload); err != nil {
		return nil, err
	}
	for {
		kind, payload, err := readBlock(in)
		if err == nil {
			err = c.apply(kind, payload)
		}
		switch {
		case errors.Is(err, io.EOF):
			return c, nil
		case errors.Is(err, errDamaged):
			c.torn = true
			return c, nil
		case err != nil:
			return nil, err
		}
	}
}

// cut gives errors of a start that is not all there a text; failing reads keep theirs.
func cut(err error, text string) error {
	if err == nil || errors.Is(err, errDamaged) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New(text)
	}
	return err
}

// readBlock returns the next block, io.EOF at the end of the file, errDamaged for what is no whole block.
func readBlock(in *bufio.Reader) (kind byte, payload []byte, err error) {
	var frame [blockFrame]byte
	if n, err := io.ReadFull(in, frame[:]); err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			err = errDamaged
		}
		return 0, nil, err
	}
	length := binary.LittleEndian.Uint32(frame[:])
	if length > maxPayload {
		return 0, nil, errDamaged
	}
	payload, err = io.ReadAll(io.LimitReader(in, int64(length)+4)) // grows with what is there, not with what is claimed
	if err != nil {
		return 0, nil, err
	}
	if len(payload) != int(length)+4 {
		return 0, nil, errDamaged
	}
	payload, sum := payload[:length], binary.LittleEndian.Uint32(payload[length:])
	if crc32.Update(crc32.Checksum(frame[:], castagnoli), castagnoli, payload) != sum {
		return 0, nil, errDamaged
	}
	return frame[4], payload, nil
}

func (c *contents) setHead(payload []byte) error {
	if len(payload) < 32 || len(payload) > 32+maxInterface {
		return errors.New("first block has a wrong length")
	}
	copy(c.head.Boot[:], payload)
	c.head.Sequence = binary.LittleEndian.Uint64(payload[16:])
	c.head.End = int64(binary.LittleEndian.Uint64(payload[24:]))
	c.head.Interface = string(payload[32:])
	return nil
}

// apply takes in a block behind the first one.
func (c *contents) apply(kind byte, payload []byte) error {
	f := fields{rest: payload}
	switch kind {
	case typePart:
		return c.stage(&f)
	case typeCommit:
		state := f.state()
		if err := c.stage(&f); err != nil {
			return err
		}
		for _, s := range c.staged {
			c.sums[s.ID] = sum{s.Record, s.Open}
		}
		c.staged, c.state = c.staged[:0], state
		c.commits++
		return nil
	case typeSeal:
		end, duration := int64(f.uint64()), time.Duration(f.uint64())
		if f.bad || duration < 0 {
			return errDamaged
		}
		c.sealed, c.end, c.duration = true, end, duration
		return nil
	}
	return errDamaged
}

// stage decodes the conversations at the end of a block.
func (c *contents) stage(f *fields) error {
	length := f.uvarint()
	if f.bad || length > maxRaw {
		return errDamaged
	}
	if n, err := s2.DecodedLen(f.rest); err != nil || uint64(n) != length {
		return errDamaged
	}
	raw, err := s2.Decode(nil, f.rest)
	if err != nil {
		return errDamaged
	}
	in := fields{rest: raw}
	var id int64
	for len(in.rest) > 0 {
		id += in.varint()
		record, open := in.conversation()
		if in.bad || id < 0 || id > math.MaxUint32 {
			return errDamaged
		}
		c.staged = append(c.staged, Conversation{uint32(id), record, open})
	}
	return nil
}

// fields reads the fields of a block; after the first that is not there everything is 0 and bad is set.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n int) []byte {
	if f.bad || len(f.rest) < n {
		f.bad = true
		return make([]byte, n)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) uint16() uint16 { return binary.LittleEndian.Uint16(f.take(2)) }
func (f *fields) uint64() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.rest)
	return v * f.skip(n)
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	return v * int64(f.skip(n))
}

// skip goes past a varint of n bytes; it returns 1, or 0 for one that is none.
func (f *fields) skip(n int) uint64 {
	if n <= 0 || f.bad {
		f.bad = true
		return 0
	}
	f.rest = f.rest[n:]
	return 1
}

func (f *fields) state() (s State) {
	s.At, s.Clock, s.Duration = int64(f.uint64()), int64(f.uint64()), time.Duration(f.uint64())
	s.Accounting.Received, s.Accounting.Dropped, s.Accounting.Metered = f.uvarint(), f.uvarint(), f.uvarint()
	n := f.uvarint()
	if n > uint64(len(s.Accounting.Issues)) || s.Duration < 0 {
		f.bad = true // of a later version, which has another number
		return State{}
	}
	for i := range n {
		s.Accounting.Issues[i] = f.uvarint()
	}
	return s
}

func (f *fields) conversation() (r flow.Record, open []byte) {
	r.Key.Family = flow.Family(f.take(1)[0])
	if r.Key.Family != flow.IPv4 && r.Key.Family != flow.IPv6 {
		f.bad = true
		return flow.Record{}, nil
	}
	n := addressLength(r.Key.Family)
	copy(r.Key.Source[:], f.take(n))
	copy(r.Key.Destination[:], f.take(n))
	r.Key.DestinationPort = f.uint16()
	r.Key.Protocol = flow.Protocol(f.take(1)[0])
	mask := f.uint16()
	if mask&^openBit>>counterCount != 0 {
		f.bad = true
	}
	for i, counter := range counters(&r.Counters) {
		if mask>>i&1 != 0 {
			*counter = f.uvarint()
		}
	}
	if mask&openBit != 0 {
		open = f.take(int(f.take(1)[0]))
	}
	return r, open
}
