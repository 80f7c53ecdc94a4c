package column

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// smallChunks are chunks of every codec, small enough to damage every bit of them.
func smallChunks(t testing.TB) (chunks map[Codec][]byte, context []uint64) {
	t.Helper()
	var e Encoder
	chunks = map[Codec][]byte{}
	context, volume := counters(rand.New(rand.NewPCG(1, 9)), 1100)
	for _, chunk := range [][]byte{
		e.Append(nil, volume[:200]), // one stream
		e.AppendGiven(nil, volume, context),
	} {
		chunks[Codec(chunk[0])] = chunk
	}
	for _, s := range samples() {
		for _, n := range []int{40, 1100} {
			chunk := e.Append(nil, s.make(rand.New(rand.NewPCG(1, 1)), n))
			if codec := Codec(chunk[0]); chunks[codec] == nil {
				chunks[codec] = chunk
			}
		}
	}
	for codec, name := range codecNames {
		if name != "" && chunks[Codec(codec)] == nil {
			t.Fatalf("no chunk of codec %s", name)
		}
	}
	return chunks, context
}

// TestDamage flips every bit, cuts at every byte and adds one: the checksum or the length finds it.
func TestDamage(t *testing.T) {
	var d Decoder
	chunks, context := smallChunks(t)
	for codec, chunk := range chunks {
		context := context
		decode := func(what string, at int, chunk []byte) {
			t.Helper()
			if _, err := d.DecodeGiven(nil, chunk, context); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v, %s at byte %d: %v", codec, what, at, err)
			}
			if err := Check(chunk); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v, %s at byte %d: checked: %v", codec, what, at, err)
			}
		}
		if info, err := Inspect(chunk); err != nil || Check(chunk) != nil {
			t.Fatalf("%v: %v", codec, err)
		} else {
			context = context[:info.Count]
		}
		for i := range chunk {
			for bit := range 8 {
				chunk[i] ^= 1 << bit
				decode("flipped", i, chunk)
				chunk[i] ^= 1 << bit
			}
			decode("cut", i, chunk[:i])
		}
		decode("added", len(chunk), append(chunk, 0))
	}
}

// TestSealedDamage damages chunks and puts the checksum in order, as nobody but an attacker or a bug would: they
// decode to as many values as they say, or to an error.
func TestSealedDamage(t *testing.T) {
	var d Decoder
	chunks, context := smallChunks(t)
	failed, other := 0, 0
	for codec, chunk := range chunks {
		for i := range chunk[:len(chunk)-checksumSize] {
			for bit := range 8 {
				chunk[i] ^= 1 << bit
				damaged := sealed(chunk)
				chunk[i] ^= 1 << bit
				info, _ := Inspect(damaged)
				values, err := d.DecodeGiven(nil, damaged, context[:min(info.Count, len(context))])
				switch {
				case err == nil && len(values) == info.Count:
					other++
				case errors.Is(err, ErrDamaged):
					failed++
				default:
					t.Fatalf("%v, bit %d of byte %d: %d values of %d, %v", codec, bit, i, len(values), info.Count, err)
				}
			}
		}
	}
	if failed == 0 || other == 0 {
		t.Errorf("%d failed, %d decoded: the test shows nothing", failed, other)
	}
}

// TestBounds tries headers that announce more than there is or may be.
func TestBounds(t *testing.T) {
	var d Decoder
	for name, chunk := range map[string][]byte{
		"empty":               {},
		"zeros":               make([]byte, 32),
		"unknown codec":       {99, 1, 1, 0, 0, 0, 0, 0},
		"65537 values":        {byte(Constant), 0x81, 0x80, 0x04, 1, 0, 0, 0, 0, 0},
		"endless count":       {byte(Constant), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0},
		"longer than raw":     append([]byte{byte(Packed), 2, 17}, make([]byte, 21)...),
		"no body":             {byte(Packed), 2, 0, 0, 0, 0, 0},
		"given in deltas":     {byte(Deltas), 2, 3, byte(Given), 1, 1, 0, 0, 0, 0},
		"deltas in deltas":    {byte(Deltas), 2, 3, byte(Deltas), 1, 1, 0, 0, 0, 0},
		"deltas of nothing":   {byte(Deltas), 0, 3, byte(Constant), 1, 1, 0, 0, 0, 0},
		"256 varint bytes":    {byte(Zstd), 20, 3, 0x80, 2, 0, 0, 0, 0, 0},
		"no classes":          {byte(Classes), 2, 4, 0, 0, 0, 0, 0, 0, 0, 0},
		"incomplete codes":    {byte(Classes), 2, 6, 0, 3, 7, 0, 0x22, 2, 0, 0, 0, 0},
		"code of 12 bits":     {byte(Classes), 2, 5, 0, 2, 3, 0, 0xcc, 0, 0, 0, 0},
		"class above 127":     {byte(Classes), 2, 5, 120, 9, 1, 1, 0, 0, 0, 0, 0},
		"set beyond its span": {byte(Classes), 2, 5, 0, 1, 3, 0, 0, 0, 0, 0, 0},
		"65 bits":             {byte(Packed), 2, 3, 0, 65, 0, 0, 0, 0, 0},
		"place not in group":  {byte(Packed), 2, 6, 0, 0, 1, 1, 2, 1, 0, 0, 0, 0},
	} {
		if len(chunk) > checksumSize {
			chunk = sealed(chunk)
		}
		if values, err := d.Decode(nil, chunk); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v", name, values, err)
		}
	}
}
