package resolve

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// lifetime is the shortest time to live in the answers to one lookup. Go's resolver, which knows hosts files, search
// lists and retries, does not tell it, so that its connections are listened to.
type lifetime struct {
	mu  sync.Mutex
	ttl time.Duration
	set bool
}

type lifetimeKey struct{}

func (l *lifetime) get() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ttl, l.set
}

// hear notes the time to live of an answer's records; of an answer without records, that of "there is none", which
// the SOA in its authority section says (RFC 2308 section 5). What is no DNS message says nothing.
func (l *lifetime) hear(message []byte) {
	var p dnsmessage.Parser
	if head, err := p.Start(message); err != nil || !head.Response {
		return
	}
	if p.SkipAllQuestions() != nil {
		return
	}
	answered := false
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			break
		}
		answered = true
		l.note(h.TTL)
		if p.SkipAnswer() != nil {
			return
		}
	}
	if answered || p.SkipAllAnswers() != nil {
		return
	}
	for {
		h, err := p.AuthorityHeader()
		if err != nil {
			return
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return
			}
			continue
		}
		if soa, err := p.SOAResource(); err == nil {
			l.note(min(h.TTL, soa.MinTTL))
		}
		return
	}
}

func (l *lifetime) note(seconds uint32) {
	if seconds > 1<<31-1 { // RFC 2181 section 8: the most significant bit means 0
		seconds = 0
	}
	ttl := time.Duration(seconds) * time.Second
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.set || ttl < l.ttl {
		l.ttl, l.set = ttl, true
	}
}

// listening makes the connections that dial opens tell the lookup of their context what they read.
func listening(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		heard, ok := ctx.Value(lifetimeKey{}).(*lifetime)
		if err != nil || !ok {
			return conn, err
		}
		if packets, ok := conn.(packetConn); ok { // the resolver tells datagrams from streams by this interface
			return datagrams{packets, heard}, nil
		}
		return &stream{Conn: conn, heard: heard}, nil
	}
}

type packetConn interface {
	net.Conn
	net.PacketConn
}

// datagrams are read one message at a time.
type datagrams struct {
	packetConn
	heard *lifetime
}

func (d datagrams) Read(b []byte) (int, error) {
	n, err := d.packetConn.Read(b)
	if err == nil {
		d.heard.hear(b[:n])
	}
	return n, err
}

// stream puts together the messages of a connection: two bytes of length, then the message (RFC 1035 section 4.2.2).
type stream struct {
	net.Conn
	heard *lifetime
	read  []byte
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.read = append(s.read, b[:n]...)
	for len(s.read) >= 2 {
		length := 2 + int(binary.BigEndian.Uint16(s.read))
		if len(s.read) < length {
			break
		}
		s.heard.hear(s.read[2:length])
		s.read = s.read[length:]
	}
	return n, err
}
