// Package floors holds the one test that keeps the module's floors apart (docs/ARCHITECTURE.md): a package imports
// only from lower floors, pkg/ never imports probe/, and nothing imports cmd/ or demo/.
package floors

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

const module = "github.com/weirflow/weir/"

// floors maps every package of the two trees to its floor. A new package takes its place here.
var floors = map[string]int{
	"pkg/version": 0, "pkg/lookup": 0, "pkg/arrowstream": 0,
	"pkg/flow": 0,
	"pkg/span": 0, "pkg/telemetry": 0, "pkg/openapi": 0,
	"pkg/filter": 1, "pkg/actors": 1, "pkg/resolve": 1, "pkg/configfile": 1,
	"pkg/wire":      2,
	"pkg/queryargs": 3, "pkg/render": 3, "pkg/client": 3, "pkg/wire/arrowipc": 3, "pkg/inventory": 3,
	"pkg/fleet": 4, "pkg/enrich": 4, "pkg/natshttp": 4, "pkg/natsserver": 5,
	"pkg/serve": 5, "pkg/frames": 6, "pkg/reports": 5,
	"pkg/plugin": 7, "pkg/gateway": 6,
	"pkg": 8,

	"probe/vfs":    0,
	"probe/packet": 1, "probe/column": 1,
	"probe/capture": 2, "probe/table": 2, "probe/segment": 2, "probe/godb": 2, "probe/checkpoint": 2,
	"probe/store": 3, "probe/archive": 4, "probe/recorder": 4,
	"probe/query": 4, "probe/meter": 4,
	"probe/agent":  5,
	"probe/config": 6,
}

// crossing lists what probe/ may take from floors of pkg/ that are numbered higher than its own: the agent hands
// its engine to the server of the contract, and the configuration embeds the server's.
var crossing = map[[2]string]bool{
	{"probe/agent", "pkg/serve"}:  true,
	{"probe/config", "pkg/serve"}: true,
}

func TestFloors(t *testing.T) {
	command := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	command.Dir = testenv.Root()
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	seen := 0
	for decoder.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		seen++
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, module); ours {
				check(t, from, to)
			}
		}
	}
	if seen < 10 {
		t.Errorf("go list named only %d packages", seen)
	}
}

func check(t *testing.T, from, to string) {
	inTrees := strings.HasPrefix(from, "pkg") || strings.HasPrefix(from, "probe/")
	switch {
	case strings.HasPrefix(to, "cmd/"), to == "demo" && from != "demo":
		t.Errorf("%s imports %s: nothing imports a command", from, to)
	case !inTrees:
		return // commands, demo and internal tools take what they need
	case strings.HasPrefix(to, "demo"):
		t.Errorf("%s imports %s: demo ships nowhere", from, to)
	case strings.HasPrefix(from, "pkg") && strings.HasPrefix(to, "probe/"):
		t.Errorf("%s imports %s: pkg builds on every system and never needs the probe", from, to)
	case strings.HasPrefix(to, "internal/"):
		return
	default:
		checkFloor(t, from, to)
	}
}

func checkFloor(t *testing.T, from, to string) {
	below, ok := floors[to]
	if !ok {
		t.Errorf("%s (imported by %s) has no floor: give it one in this test and in docs/ARCHITECTURE.md", to, from)
		return
	}
	own, ok := floors[from]
	if !ok {
		t.Errorf("%s has no floor: give it one in this test and in docs/ARCHITECTURE.md", from)
		return
	}
	if below >= own && !crossing[[2]string{from, to}] {
		t.Errorf("%s (floor %d) imports %s (floor %d): only lower floors may be imported", from, own, to, below)
	}
}
