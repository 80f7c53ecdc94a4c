//go:build linux

package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// peer runs goProbe on the cable's near end, under what the probe had before, where WEIR_BENCH_GOPROBE names its program; 0
// without. It says how much processor time goProbe's process took for a million packets that it processed, and how many were
// dropped.
func (s *blaster) peer(b *testing.B, c cable, flows, packets, rate int) (cpu time.Duration, dropped uint64) {
	b.Helper()
	program := os.Getenv("WEIR_BENCH_GOPROBE")
	if program == "" {
		return 0, 0
	}
	dir := b.TempDir()
	p := &probe{socket: filepath.Join(dir, "socket"), config: filepath.Join(dir, "goprobe.yaml")}
	// The ring that goProbe's own example gives a busy interface.
	text := fmt.Sprintf("db: {path: %q}\ninterfaces: {%s: {promisc: true, ring_buffer: {num_blocks: 4, block_size: 1048576}}}\n"+
		"api: {addr: \"unix:%s\"}\n", filepath.Join(dir, "db"), cableEnd, p.socket)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	p.process = start(b, c.near.Command(program, "-c", p.config))
	// What it counts since it captures: the members without _total begin anew when they are read.
	type counts struct {
		Processed uint64 `json:"processed_total"`
		Dropped   uint64 `json:"dropped_total"`
	}
	settled := func(until uint64) (now counts) {
		eventually(b, patience, func() string {
			if p.process.ended() {
				b.Fatalf("goProbe ended: %v\n%s", p.process.err, p.process.output)
			}
			var status struct{ Statuses map[string]counts }
			body, err := p.get("/status")
			if err == nil {
				err = json.Unmarshal(body, &status)
			}
			if err != nil {
				return err.Error()
			}
			if now = status.Statuses[cableEnd]; len(status.Statuses) == 0 || now.Processed+now.Dropped < until {
				return fmt.Sprintf("goProbe has processed %d packets and dropped %d of %d", now.Processed, now.Dropped, until)
			}
			return ""
		})
		return now
	}
	settled(0)
	s.run(b, flows)
	before := settled(uint64(flows))
	busy := p.busy(b)
	s.paced(b, packets, rate)
	after := settled(before.Processed + before.Dropped + uint64(packets))
	busy = p.busy(b) - busy
	p.terminate(b)
	return time.Duration(float64(busy) * 1e6 / float64(after.Processed-before.Processed)), after.Dropped - before.Dropped
}
