package store

import (
	"strings"
	"testing"

	"github.com/weirflow/weir/probe/vfs"
)

const hostUUID = "6b1f3c0e-8d43-4b7a-9a57-0d7f2a3e4c11"

// TestVersionOne: a store without segments is read as it is, and becomes one of this version with its first writer.
func TestVersionOne(t *testing.T) {
	files := vfs.NewMemory()
	s := mustOpen(t, files, Config{})
	mustAppend(t, s, "eth0", interval(noon, 1), nil)
	_ = s.Close()
	files.SetBytes("/db/weir-store", []byte(formatIdentity(1, hostUUID)))
	for _, readOnly := range []bool{true, false} {
		s := mustOpen(t, files, Config{ReadOnly: readOnly})
		if got, _ := scan(t, s, "eth0", 0, allTime); len(got) != 1 || s.HostID() != hostUUID {
			t.Errorf("read only %v: %d intervals, host %s", readOnly, len(got), s.HostID())
		}
		_ = s.Close()
	}
	if got := string(files.Bytes("/db/weir-store")); got != formatIdentity(StoreVersion, hostUUID) {
		t.Errorf("after a writer: %q", got)
	}
}

// TestVersionOneOnAFullDisk: there is no room to say what version it is; the store opens, and says so before it has
// anything that the earlier version does not know.
func TestVersionOneOnAFullDisk(t *testing.T) {
	files := vfs.NewMemory()
	s := openClocked(t, files, noon)
	fillDays(t, s.Store, "eth0", 2, 5)
	_ = s.Close()
	one := formatIdentity(1, hostUUID)
	files.SetBytes("/db/weir-store", []byte(one))
	files.SetQuota(1)
	s = openClocked(t, files, noon)
	if got := string(files.Bytes("/db/weir-store")); got != one {
		t.Fatalf("on a full disk: %q", got)
	}
	files.SetQuota(0)
	mustCompact(t, s.Store, CompactOptions{})
	if got := string(files.Bytes("/db/weir-store")); got != formatIdentity(StoreVersion, hostUUID) {
		t.Errorf("with room: %q", got)
	}
}

func TestRepairIdentity(t *testing.T) {
	files := vfs.NewMemory()
	s := mustOpen(t, files, Config{})
	mustAppend(t, s, "eth0", interval(noon, 1), nil)
	repair := func(id string) (string, error) { return RepairIdentity(Config{Path: "/db"}, Deps{FS: files}, id) }
	if _, err := repair(""); err == nil || !strings.Contains(err.Error(), "held by") {
		t.Errorf("a store in use: %v", err)
	}
	_ = s.Close()
	if _, err := repair(""); err == nil || !strings.Contains(err.Error(), "in order") {
		t.Errorf("a store in order: %v", err)
	}
	files.SetBytes("/db/weir-store", []byte("weir-store 2\nhost"))
	if id, err := repair(hostUUID); err != nil || id != hostUUID || files.Bytes("/db/weir-store.damaged") == nil {
		t.Errorf("damaged: %s, %v", id, err)
	}
	if err := files.Remove("/db/weir-store"); err != nil {
		t.Fatal(err)
	}
	id, err := repair("")
	if err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, files, Config{})
	if got, _ := scan(t, s, "eth0", 0, allTime); len(got) != 1 || s.HostID() != id {
		t.Errorf("%d intervals of host %s, want %s", len(got), s.HostID(), id)
	}
	if _, err := RepairIdentity(Config{Path: "/"}, Deps{FS: files}, ""); err == nil || !strings.Contains(err.Error(), "not a store") {
		t.Errorf("not a store: %v", err)
	}
}
