package lookup

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// checkParse6: what Parse6 takes, netip takes with the same result; what it refuses is no address without dots and zone.
func checkParse6(t *testing.T, text string) {
	t.Helper()
	got, ok := Parse6(text)
	want, err := netip.ParseAddr(text)
	plain := err == nil && want.Is6() && !strings.ContainsAny(text, ".%")
	if ok != plain || ok && got != want.As16() {
		t.Fatalf("%q is read as %x, %t; netip says %v, %v", text, got, ok, want, err)
	}
}

var addressTexts = []string{"", ":", "::", ":::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8",
	"1:2:3:4::5:6:7:8", "1::2::3", "1:2", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "12345::", "g::",
	"FFFF::aBcD", "::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4", "::00001", "::0001", "1:", "0:0:0:0:0:0:0:0", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1 ::", "::\xff"}

func FuzzParse6(f *testing.F) {
	for _, text := range addressTexts {
		f.Add(text)
	}
	f.Fuzz(checkParse6)
}

func TestParse6(t *testing.T) {
	for _, text := range addressTexts {
		checkParse6(t, text)
	}
	random := testenv.Random(t)
	for range 20_000 {
		var a [16]byte
		for i := range a {
			if random.IntN(2) == 0 {
				a[i] = byte(random.Uint32())
			}
		}
		text := []byte(netip.AddrFrom16(a).String())
		checkParse6(t, string(text))
		text[random.IntN(len(text))] = ":0f:g"[random.IntN(5)]
		checkParse6(t, string(text))
	}
}

func BenchmarkParse6(b *testing.B) {
	for b.Loop() {
		if _, ok := Parse6("2001:db8:8f1:27c:3b0e:9d20:1a2b:c3d4"); !ok {
			b.Fatal("not read")
		}
	}
}
