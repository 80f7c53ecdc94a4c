package capture

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReplay(t *testing.T) {
	frames := []Frame{{Length: 1}, {Length: 2}, {Length: 3}}
	for _, test := range []struct {
		frames       []Frame
		loops, batch int
		want         []uint32
	}{
		{frames, 1, 2, []uint32{1, 2, 3}},
		{frames, 3, 64, []uint32{1, 2, 3, 1, 2, 3, 1, 2, 3}},
		{frames, 2, 1, []uint32{1, 2, 3, 1, 2, 3}},
		{frames, 0, 4, nil},
		{nil, -1, 4, nil},
	} {
		source := NewReplay(test.frames, test.loops)
		all, err := readAll(t, source, test.batch)
		var got []uint32
		for _, f := range all {
			got = append(got, f.Length)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%d loops in batches of %d: %v %s", test.loops, test.batch, err, diff)
		}
		if stats, _ := source.Stats(); stats.Received != uint64(len(test.want)) {
			t.Errorf("%+v", stats)
		}
	}
}

func TestReplayWithoutEnd(t *testing.T) {
	source := NewReplay([]Frame{{Length: 1}}, -1)
	frames := make([]Frame, 1)
	for range 1000 {
		if n, err := source.Read(frames); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	source.Wake()
	if n, err := source.Read(frames); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := source.Read(frames); n != 1 || err != nil {
		t.Error(n, err)
	}
	_ = source.Close()
	if _, err := source.Read(frames); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestReplayAllocatesNothing(t *testing.T) {
	source := NewReplay(make([]Frame, 100), -1)
	frames := make([]Frame, 64)
	if n := testing.AllocsPerRun(100, func() { _, _ = source.Read(frames) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
