package meter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/vfs"
)

// keyExchange is a datagram between two hosts on port 500 of both: only memory tells who initiated.
func keyExchange(reply bool) capture.Frame {
	f := udp(1)
	f.Data[21], f.Data[20] = 500&0xff, 500>>8
	f.Data[23], f.Data[22] = 500&0xff, 500>>8
	if reply {
		for i := range 4 {
			f.Data[12+i], f.Data[16+i] = f.Data[16+i], f.Data[12+i]
		}
	}
	return f
}

// lastSource is the source of the flow in the last interval stored.
func lastSource(t *testing.T, blocks []Block) string {
	t.Helper()
	rows := blocks[len(blocks)-1].Records
	if len(rows) != 1 {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	return fmt.Sprintf("%v attempts=%d", rows[0].Key.SourceAddr(), rows[0].Counters.Attempts)
}

// TestRestartKeepsDirection: a conversation that rests for 20 minutes keeps its direction over a restart in the
// middle, be it orderly or not; for longer than it would without, it is not remembered.
func TestRestartKeepsDirection(t *testing.T) {
	for name, test := range map[string]struct {
		killed  bool
		silence time.Duration
		want    string
	}{
		"stop":            {false, 20 * time.Minute, "10.0.0.1 attempts=0"},
		"kill":            {true, 20 * time.Minute, "10.0.0.1 attempts=0"},
		"too long a rest": {false, 40 * time.Minute, "192.0.2.1 attempts=0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := start(t, time.Second, nil)
				first.source.push(keyExchange(false))
				time.Sleep(test.silence / 2)
				synctest.Wait()
				files, _ := end(t, first, test.killed)
				second := startWith(t, test.silence/2, nil, func(r *rig, d *Deps) { r.files, d.Files = files, files })
				second.source.push(keyExchange(true))
				synctest.Wait()
				if got := lastSource(t, second.check(1, 0)); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

// TestDirectionsFile: it is there while there is something to keep, and what cannot be read does no harm.
func TestDirectionsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Interface, cfg.CheckpointDir = "eth0", "/state"
		path := directionsPath(cfg, "eth0")
		r := start(t, 0, nil)
		r.source.push(keyExchange(false))
		time.Sleep(5*time.Minute + time.Second)
		if _, err := r.files.Stat(path); err != nil {
			t.Error(err)
		}
		time.Sleep(40 * time.Minute)
		if _, err := r.files.Stat(path); err == nil {
			t.Error("nothing is remembered and the file is there")
		}
		r.check(1, 0)

		files := vfs.NewMemory()
		if err := writeDirections(files, path, [][]byte{[]byte("something "), []byte("else")}); err != nil {
			t.Fatal(err)
		}
		r = startWith(t, 0, nil, func(r *rig, d *Deps) { r.files, d.Files = files, files })
		r.source.push(keyExchange(false))
		synctest.Wait()
		if _, err := readDirections(files, path); err != nil {
			t.Error(err)
		}
		r.check(1, 0)
		if memory, err := readDirections(files, path); err != nil || string(memory) == "something else" {
			t.Errorf("after the end: %q, %v", memory, err)
		}
	})
}

// TestDirectionsFail: a disk that takes nothing costs the directions and nothing else.
func TestDirectionsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startWith(t, 0, nil, func(r *rig, d *Deps) {
			faulty := vfs.NewFaulty(r.files)
			faulty.LimitSpace(0)
			d.Files = faulty
		})
		r.source.push(keyExchange(false))
		time.Sleep(5*time.Minute + time.Second)
		r.check(1, 0)
		if _, err := r.files.Stat(directionsPath(r.cfg, "eth0")); err == nil {
			t.Error("half a file is there")
		}
	})
}
