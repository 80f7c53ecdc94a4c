package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// The ports that the system gives to nobody who does not ask for one by its number, where it gives those it usually does.
const (
	firstFixedPort = 10_000
	lastFixedPort  = 32_767
)

// FreePort returns a TCP port of 127.0.0.1 for a program that can't be given a listener, or that has to come back on the
// port it had. Unlike a port that the system chose and that was closed again, it is not what the next listener, or the
// near end of a connection, in any other test on the machine may be given before that program has it.
func FreePort(t testing.TB) int {
	t.Helper()
	first, last := firstFixedPort, lastFixedPort
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		var given int
		if _, err := fmt.Sscan(string(text), &given); err == nil {
			last = min(last, given-1)
		}
	}
	var failed error
	for range 100 {
		port := 0 // the system's choice, where it may choose all
		if last > first {
			port = first + rand.IntN(last-first+1)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			failed = err
			continue
		}
		port = l.Addr().(*net.TCPAddr).Port
		l.Close()
		return port
	}
	t.Fatal("no port is free: ", failed)
	return 0
}
