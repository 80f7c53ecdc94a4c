package render

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

func list() List {
	capturing := false
	return List{Zone: time.UTC, Entries: []ListEntry{
		{Interface: "eth0", First: time.Unix(1_795_000_000, 0).UTC(), Last: time.Unix(1_795_238_400, 0).UTC(),
			Counters: &wire.Counters{BytesReceived: 1 << 30, BytesSent: 900, PacketsReceived: 1234567, PacketsSent: 3},
			Traffic:  &ListTraffic{FlowsV4: 1500, FlowsV6: 70, Drops: 9}},
		{Interface: "=cmd\x1b[31m", Host: "a\nb", Capturing: &capturing, First: time.Unix(1_795_000_000, 0).UTC(), Last: time.Unix(1_795_238_400, 0).UTC(),
			Counters: &wire.Counters{PacketsReceived: 4}},
		{Interface: "dummy0"},
	}}
}

func TestList(t *testing.T) {
	for name, change := range map[string]func(*List){
		"list.txt":          func(*List) {},
		"list-detailed.txt": func(l *List) { l.Detailed, l.Hosts = true, true },
		"list-one.txt":      func(l *List) { l.Entries = l.Entries[:1] },
		"list-unknown.txt":  func(l *List) { l.Entries = append(l.Entries[2:], l.Entries[2]) },
	} {
		l := list()
		change(&l)
		var b strings.Builder
		if err := l.Text(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

func TestListJSON(t *testing.T) {
	var b strings.Builder
	if err := list().JSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.json", b.String())
	b.Reset()
	if err := (List{}).JSON(&b); err != nil || b.String() != "[]\n" {
		t.Errorf("empty: %q, %v", b.String(), err)
	}
	// goQuery's readers find their members.
	b.Reset()
	if err := list().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var read []struct {
		Iface     string    `json:"iface"`
		TimeFirst time.Time `json:"time_first"`
		Counts    struct{ BR, BS, PR, PS uint64 }
		Traffic   struct {
			V4 uint64 `json:"num_v4_entries"`
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &read); err != nil || read[0].Counts.BR != 1<<30 || read[0].Traffic.V4 != 1500 || read[0].TimeFirst.Unix() != 1_795_000_000 {
		t.Errorf("%+v, %v", read, err)
	}
}
