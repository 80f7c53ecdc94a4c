package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weirflow/weir/probe/packet"
)

// The helpers of this file write traces byte by byte and read them back.

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	big    order = binary.BigEndian
	little order = binary.LittleEndian
)

// words appends 32-bit words.
func words(o order, values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = o.AppendUint32(b, v)
	}
	return b
}

func pcapFile(o order, magic, linkType uint32, records ...[]byte) []byte {
	header := words(o, magic)
	header = o.AppendUint16(o.AppendUint16(header, 2), 4)
	return slices.Concat(header, words(o, 0, 0, 65535, linkType), bytes.Join(records, nil))
}

func pcapRecordOf(o order, seconds, fraction, length uint32, data []byte) []byte {
	return append(words(o, seconds, fraction, uint32(len(data)), length), data...)
}

func block(o order, kind uint32, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	size := uint32(len(b) + 12)
	return slices.Concat(words(o, kind, size), b, words(o, size))
}

func sectionBlock(o order) []byte {
	return block(o, blockSection, words(o, 0x1a2b3c4d), o.AppendUint16(o.AppendUint16(nil, 1), 0), words(o, ^uint32(0), ^uint32(0)))
}

func interfaceBlock(o order, linkType uint16, snap uint32, options ...[]byte) []byte {
	return block(o, blockInterface, o.AppendUint16(o.AppendUint16(nil, linkType), 0), words(o, snap), bytes.Join(options, nil))
}

func optionOf(o order, code uint16, value ...byte) []byte {
	b := append(o.AppendUint16(o.AppendUint16(nil, code), uint16(len(value))), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func enhancedBlock(o order, number uint32, ticks uint64, length uint32, data []byte, options ...[]byte) []byte {
	padded := append(slices.Clone(data), make([]byte, -len(data)&3)...)
	return block(o, blockEnhanced, words(o, number, uint32(ticks>>32), uint32(ticks), uint32(len(data)), length), padded, bytes.Join(options, nil))
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data) // to memory: cannot fail
	_ = w.Close()
	return b.Bytes()
}

func save(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, data []byte, options TraceOptions) Source {
	t.Helper()
	source, err := OpenTrace(save(t, "trace.pcap", data), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// readAll reads a source to its end in batches, and copies what it hands over. The error is nil at a clean end.
func readAll(t testing.TB, source Source, batch int) ([]Frame, error) {
	t.Helper()
	var all []Frame
	frames := make([]Frame, batch)
	for {
		n, err := source.Read(frames)
		if n > 0 && err != nil || n == 0 && err == nil {
			t.Fatalf("read gives %d frames and %v", n, err)
		}
		for _, f := range frames[:n] {
			f.Data = slices.Clone(f.Data)
			all = append(all, f)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			if _, again := source.Read(frames); !errors.Is(again, err) {
				t.Errorf("second read after %v gives %v", err, again)
			}
			return all, err
		}
	}
}

// ramp is n bytes that can be told from others.
func ramp(n int, first byte) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = first + byte(i)
	}
	return data
}

func frameOf(link packet.Link, time int64, length uint32, data []byte) Frame {
	return Frame{Data: data, Length: length, Time: time, Link: link}
}
