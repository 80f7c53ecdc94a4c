//go:build linux

package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// hostTimeout is how long a host may take here: longer than the probe that comes back under a query needs for that, also
// on a machine that stands still for a while.
const hostTimeout = 6 * time.Second

// several is how long it may take until hosts that have their time each have failed several times.
const several = 2 * time.Minute

// A fleet of real probes in namespaces, behind a gateway in another one: whatever happens to some of them, the answer
// holds what the others have, names the rest with the true reason, within the deadline, and nothing of it stays.
func TestFleetInTrouble(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "nft")
	t.Parallel()
	f := newTroubledFleet(t)
	eventually(t, patience, func() string { return f.differs(t, "ok", "ok", "ok", "ok", "ok") })
	goroutines, files := f.held(t)

	f.probes[0].kill(t)
	succeed(t, patience, f.spaces[1].Command("nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; policy drop; }"))
	f.slow.delay.Store(int64(time.Hour))
	restarted := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() { // under the query: its answer is delayed by more
		defer close(restarted)
		f.probes[3].kill(t)
		f.probes[3].run(t)
	})
	f.late.delay.Store(int64(time.Second))
	started := time.Now()
	if diff := f.differs(t, "refused", "timeout", "timeout", "ok", "ok"); diff != "" {
		t.Errorf("in trouble: %s", diff)
	}
	if took := time.Since(started); took > 2*hostTimeout-time.Second { // two of them have it at once, not after each other
		t.Errorf("the answer took %v, hosts have %v", took, hostTimeout)
	}
	<-restarted
	f.late.delay.Store(0)
	eventually(t, several, func() string { return f.differs(t, "breaker", "breaker", "breaker", "ok", "ok") }) // nobody waits any more

	f.probes[0].run(t)
	succeed(t, patience, f.spaces[1].Command("nft", "delete table inet cut"))
	f.slow.delay.Store(0)
	eventually(t, several, func() string { return f.differs(t, "ok", "ok", "ok", "ok", "ok") })
	eventually(t, patience, func() string {
		if g, n := f.held(t); g > goroutines+10 || n > files+5 {
			return fmt.Sprintf("the gateway holds %d goroutines and %d files, %d and %d before", g, n, goroutines, files)
		}
		return ""
	})
	f.gateway.signal(t, syscall.SIGTERM)
	if code := f.gateway.wait(t, patience); code != 0 {
		t.Errorf("exit code %d\n%s", code, f.gateway.output)
	}
}

// troubledFleet are five probes, each in a namespace of its own, and the gateway.
type troubledFleet struct {
	spaces     []*netns.NS
	probes     []*probe
	slow, late *delay // before the probes 2 and 3
	gateway    *process
	socket     string
	http       http.Client
}

func newTroubledFleet(t *testing.T) *troubledFleet {
	hub := newSpace(t, "hub")
	f := &troubledFleet{}
	var hosts strings.Builder
	for i := range 5 {
		space := newSpace(t, strconv.Itoa(i))
		hubEnd, hubAddress, address := fmt.Sprintf("h%d", i), fmt.Sprintf("10.77.%d.1", i), fmt.Sprintf("10.77.%d.2", i)
		if err := netns.Veth(hub, hubEnd, space, cableEnd); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{hub.Up(hubEnd, hubAddress+"/24"), space.Up(cableEnd, address+"/24")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		listen := fmt.Sprintf("tcp: %q, insecure: {allow: [10.77.0.0/16]}", address+":8145")
		p := newProbe(t, space.Command, settings{iface: cableEnd, meter: "interval: 1m", listen: listen})
		p.run(t)
		f.spaces, f.probes = append(f.spaces, space), append(f.probes, p)
		switch target := address + ":8145"; i {
		case 2:
			f.slow = newDelay(t, hub, target)
			fmt.Fprintf(&hosts, "{name: host-%d, url: %q}, ", i, "http://"+f.slow.address)
		case 3:
			f.late = newDelay(t, hub, target)
			fmt.Fprintf(&hosts, "{name: host-%d, url: %q}, ", i, "http://"+f.late.address)
		default:
			fmt.Fprintf(&hosts, "{name: host-%d, url: %q}, ", i, "http://"+target)
		}
	}
	dir := t.TempDir()
	f.socket = filepath.Join(dir, "gateway.sock")
	config := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("api: {listen: [{unix: %q}]}\ninventory: {hosts: [%s]}\nfleet: {host_timeout: %s, breaker_wait: 10s, breaker_max_wait: 10s}\n", f.socket, hosts.String(), hostTimeout)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.gateway = start(t, hub.Command(binary(t, clientProgram), "gateway", "--config", config))
	f.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	}}
	t.Cleanup(f.http.CloseIdleConnections)
	eventually(t, patience, func() string {
		if f.gateway.ended() {
			t.Fatalf("the gateway ended: %v\n%s", f.gateway.err, f.gateway.output)
		}
		_, err := f.get("/-/info")
		if err != nil {
			return err.Error()
		}
		return ""
	})
	return f
}

func (f *troubledFleet) get(path string) (string, error) {
	response, err := f.http.Get("http://gateway" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// differs asks all hosts and compares what became of each: its class, or else its state. Hosts
// that are ok have rows, and others have none.
func (f *troubledFleet) differs(t testing.TB, want ...string) string {
	t.Helper()
	question := `{"query":"host,dport","ifaces":"any","first":"-1h","live":true,"merge":true}`
	response, err := f.http.Post("http://gateway/_query", "application/json", strings.NewReader(question))
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	result := new(wire.Result)
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return err.Error()
	}
	rows := make(map[string]int)
	for _, row := range result.Rows {
		rows[row.Labels.Host]++
	}
	got := make([]string, len(f.probes))
	for i := range got {
		name := fmt.Sprintf("host-%d", i)
		s := result.HostsStatuses[name]
		if got[i] = string(s.Class); got[i] == "" {
			got[i] = string(s.State)
		}
		if (got[i] == "ok") != (rows[name] > 0) {
			got[i] += fmt.Sprintf(" with %d rows", rows[name])
		}
		if got[i] != "ok" && s.Message == "" {
			got[i] += " without a reason"
		}
	}
	return cmp.Diff(want, got)
}

var heldMetrics = regexp.MustCompile(`(?m)^(go_goroutines|process_open_fds) ([0-9]+)$`)

// held are the goroutines and the open files of the gateway.
func (f *troubledFleet) held(t testing.TB) (goroutines, files int) {
	t.Helper()
	text, err := f.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, m := range heldMetrics.FindAllStringSubmatch(text, -1) {
		found[m[1]], _ = strconv.Atoi(m[2]) // digits
	}
	if len(found) != 2 {
		t.Fatalf("no such metrics in %s", text)
	}
	return found["go_goroutines"], found["process_open_fds"]
}

// delay passes connections on to an address and holds the answers back, as a long way would. What it cannot reach it
// tries again for a while, as a kernel does whose packets are lost.
type delay struct {
	address string
	delay   atomic.Int64 // time.Duration
	target  string
	space   *netns.NS
}

func newDelay(t testing.TB, space *netns.NS, target string) *delay {
	t.Helper()
	var listener net.Listener
	err := space.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &delay{address: listener.Addr().String(), target: target, space: space}
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	t.Cleanup(func() { cancel(); listener.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { d.pass(ctx, c) })
		}
	})
	return d
}

func (d *delay) pass(ctx context.Context, from net.Conn) {
	defer from.Close()
	to := d.dial(ctx)
	if to == nil {
		return
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() { from.Close(); to.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(to, from) // ends with either connection
		to.Close()
	})
	both.Go(func() {
		defer from.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := to.Read(buffer)
			select {
			case <-time.After(time.Duration(d.delay.Load())):
			case <-ctx.Done():
				return
			}
			if n > 0 {
				if _, err := from.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	both.Wait()
}

func (d *delay) dial(ctx context.Context) (to net.Conn) {
	for deadline := time.Now().Add(hostTimeout); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		err := d.space.Do(func() (err error) {
			to, err = (&net.Dialer{Timeout: hostTimeout}).DialContext(ctx, "tcp", d.target)
			return err
		})
		if err == nil {
			return to
		}
	}
	return nil
}
