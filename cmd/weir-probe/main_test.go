package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/store"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir-probe": main})
}

// TestScripts runs testdata/*.txt, which document the command line by example. Beside testscript's own commands
// there are
//
//	exits CODE COMMAND...   runs the command, which has to end with the code
//	mktrace FILE            writes a trace: questions and answers of a name server over ten minutes, and one ARP frame
//	stored DIR IFACE        prints the intervals that a store holds: end, length, packets received and sent
//	occupy VARIABLE         listens on a TCP port, and sets the variable to it
//	await FILE              returns once the file is there
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"mktrace": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(writeTrace(ts.MkAbs(args[0]))) },
			"stored":  stored,
			"occupy":  occupy,
			"await":   await,
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// writeTrace writes ten exchanges, one a minute from 05:00:30 on, each a question of 192.0.2.1 with 20 bytes and an
// answer of 192.0.2.53 with 100 bytes.
func writeTrace(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := pcapgo.NewWriter(file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return err
	}
	write := func(at time.Time, l ...gopacket.SerializableLayer) error {
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, l...); err != nil {
			return err
		}
		return w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}, b.Bytes())
	}
	begin := time.Date(2026, 11, 20, 5, 0, 30, 0, time.UTC)
	client, server := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 53}
	for i := range 10 {
		at := begin.Add(time.Duration(i) * time.Minute)
		for _, p := range []struct {
			from, to     net.HardwareAddr
			source, dest string
			sport, dport layers.UDPPort
			size         int
		}{{client, server, "192.0.2.1", "192.0.2.53", 40000, 53, 20}, {server, client, "192.0.2.53", "192.0.2.1", 53, 40000, 100}} {
			err := write(at, &layers.Ethernet{SrcMAC: p.from, DstMAC: p.to, EthernetType: layers.EthernetTypeIPv4},
				&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: netip.MustParseAddr(p.source).AsSlice(), DstIP: netip.MustParseAddr(p.dest).AsSlice()},
				&layers.UDP{SrcPort: p.sport, DstPort: p.dport}, gopacket.Payload(make([]byte, p.size)))
			if err != nil {
				return err
			}
		}
	}
	return write(begin.Add(10*time.Minute), &layers.Ethernet{SrcMAC: client, DstMAC: server, EthernetType: layers.EthernetTypeARP},
		gopacket.Payload(make([]byte, 28)))
}

func stored(ts *testscript.TestScript, _ bool, args []string) {
	s, err := store.Open(store.Config{Path: ts.MkAbs(args[0]), ReadOnly: true}, store.Deps{})
	ts.Check(err)
	defer s.Close()
	var lines []string
	_, err = s.Scan(context.Background(), args[1], 0, 1<<40, func(i flow.Interval, records []flow.Record) error {
		var sum flow.Counters
		for _, r := range records {
			sum.Add(r.Counters)
		}
		lines = append(lines, fmt.Sprintf("%s %s %d %d\n", time.Unix(i.End, 0).UTC().Format(time.RFC3339), i.Duration, sum.PacketsReceived, sum.PacketsSent))
		return nil
	})
	ts.Check(err)
	slices.Sort(lines)
	for _, l := range lines {
		_, err := fmt.Fprint(ts.Stdout(), l)
		ts.Check(err)
	}
}

func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(time.Minute)
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %s within a minute", args[0])
		}
		time.Sleep(10 * time.Millisecond) // of a poll with a deadline
	}
}
