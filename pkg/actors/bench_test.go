package actors

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// manyAddresses is a list of 100,000 addresses, one in ten of IPv6.
func manyAddresses() ([]byte, []netip.Addr) {
	random := rand.New(rand.NewPCG(3, 4))
	var text strings.Builder
	var list []netip.Addr
	for i := range 100_000 {
		var a netip.Addr
		if i%10 == 0 {
			var b [16]byte
			for j := range b {
				b[j] = byte(random.Uint32())
			}
			b[0] = 0x20
			a = netip.AddrFrom16(b)
		} else {
			a = netip.AddrFrom4([4]byte{byte(1 + random.IntN(223)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		}
		list = append(list, a)
		fmt.Fprintln(&text, a)
	}
	return []byte(text.String()), list
}

func BenchmarkParse100k(b *testing.B) {
	text, _ := manyAddresses()
	b.SetBytes(int64(len(text)))
	done := testenv.ReportCPU(b)
	for b.Loop() {
		if _, err := Parse(text, ""); err != nil {
			b.Fatal(err)
		}
	}
	done()
}

func BenchmarkContains(b *testing.B) {
	text, list := manyAddresses()
	l, err := Parse(text, "")
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		if !l.Contains(list[i%len(list)]) {
			b.Fatal("lost")
		}
		i += 7919
	}
}
