// Package dnsstub is a DNS server on loopback for tests.
package dnsstub

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Server answers over UDP and TCP.
type Server struct {
	packets net.PacketConn
	streams net.Listener
	asked   atomic.Int64
	most    atomic.Int64 // lookups at once
	now     atomic.Int64

	mu      sync.Mutex
	answers map[string][]dnsmessage.Resource // by lower-case name with its dot
	soaTTL  uint32
	hold    chan struct{} // nil: answer at once
	code    dnsmessage.RCode
	cut     bool // answers over UDP are truncated
}

// New makes a server that knows no names.
func New() *Server { return &Server{answers: make(map[string][]dnsmessage.Resource), soaTTL: 60} }

// Run runs a server until the test ends.
func Run(t testing.TB) *Server {
	t.Helper()
	s := New()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start listens on a free port of loopback, the same for UDP and TCP.
func (s *Server) Start() (err error) {
	for range 10 { // the port may be taken for TCP
		if s.packets, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			return err
		}
		if s.streams, err = net.Listen("tcp4", s.packets.LocalAddr().String()); err == nil {
			go s.servePackets()
			go s.serveStreams()
			return nil
		}
		_ = s.packets.Close() // another one is tried
	}
	return err
}

// Close ends the server.
func (s *Server) Close() {
	_ = s.packets.Close() // the test is over
	_ = s.streams.Close()
}

// Dial leads all questions to the server.
func (s *Server) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, s.packets.LocalAddr().String())
}

func (s *Server) servePackets() {
	b := make([]byte, 4096)
	for {
		n, from, err := s.packets.ReadFrom(b)
		if err != nil {
			return
		}
		question := append([]byte(nil), b[:n]...)
		go func() {
			if answer := s.answer(question, true); answer != nil {
				_, _ = s.packets.WriteTo(answer, from) // the client sees what is missing
			}
		}()
	}
}

func (s *Server) serveStreams() {
	for {
		conn, err := s.streams.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var length [2]byte
			for {
				if _, err := io.ReadFull(conn, length[:]); err != nil {
					return
				}
				question := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(conn, question); err != nil {
					return
				}
				answer := s.answer(question, false)
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)) // the client sees what is missing
			}
		}()
	}
}

func (s *Server) answer(question []byte, datagram bool) []byte {
	s.asked.Add(1)
	running := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); running > most && !s.most.CompareAndSwap(most, running); most = s.most.Load() {
	}
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if s.cut && datagram {
		m.Truncated = true
		packed, _ := m.Pack() // the question was packed before
		return packed
	}
	m.RCode = s.code
	records, ok := s.answers[strings.ToLower(q.Name.String())]
	for _, r := range records {
		if r.Header.Type = q.Type; typeOf(r.Body) == q.Type {
			r.Header.Name, r.Header.Class = q.Name, dnsmessage.ClassINET
			m.Answers = append(m.Answers, r)
		}
	}
	if len(m.Answers) == 0 && s.code == dnsmessage.RCodeSuccess {
		if !ok {
			m.RCode = dnsmessage.RCodeNameError
		}
		m.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("example."), Class: dnsmessage.ClassINET, TTL: 3600},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns.example."), MBox: dnsmessage.MustNewName("a.example."), MinTTL: s.soaTTL},
		}}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func typeOf(body dnsmessage.ResourceBody) dnsmessage.Type {
	switch body.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	}
	return dnsmessage.TypePTR
}

// Set makes the server know a name, which ends with a dot, in place of what it knew; also with no records at all.
func (s *Server) Set(name string, ttl uint32, bodies ...dnsmessage.ResourceBody) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = nil
	for _, b := range bodies {
		s.answers[name] = append(s.answers[name], dnsmessage.Resource{Header: dnsmessage.ResourceHeader{TTL: ttl}, Body: b})
	}
}

// PTR is the name of an address, which ends with a dot.
func PTR(name string) dnsmessage.ResourceBody {
	return &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(name)}
}

// A is an address of a name.
func A(a netip.Addr) dnsmessage.ResourceBody {
	if a.Is4() {
		return &dnsmessage.AResource{A: a.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: a.As16()}
}

// Reverse is the name that the PTR records of an address stand under.
func Reverse(a netip.Addr) string {
	var b strings.Builder
	bytes := a.AsSlice()
	slices.Reverse(bytes)
	for _, c := range bytes {
		if a.Is4() {
			fmt.Fprintf(&b, "%d.", c)
		} else {
			fmt.Fprintf(&b, "%x.%x.", c&15, c>>4)
		}
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa."
	}
	return b.String() + "ip6.arpa."
}

// Address is where the server listens.
func (s *Server) Address() string { return s.packets.LocalAddr().String() }

// Asked counts the questions until now.
func (s *Server) Asked() int64 { return s.asked.Load() }

// MostAtOnce is the largest number of questions that waited for their answers together.
func (s *Server) MostAtOnce() int64 { return s.most.Load() }

// Hold makes answers wait until release is called.
func (s *Server) Hold() (release func()) {
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = held
	return func() { close(held) }
}

// Fail makes all answers have the code, until it is RCodeSuccess again.
func (s *Server) Fail(code dnsmessage.RCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = code
}

// Truncate makes answers over UDP too long for it.
func (s *Server) Truncate(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = on
}
