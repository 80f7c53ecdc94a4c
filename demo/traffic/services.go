package traffic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Sizes of what the web server hands out.
var pages = map[string]int{"/page": 20 << 10, "/picture": 120 << 10, "/backup": 2 << 20}

// listen opens a stream socket of the host on both families.
func (h Host) listen(port uint16) (net.Listener, error) {
	var listener net.Listener
	err := h.Do(func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("[::]:%d", port))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a service of %s: %w", h.Name, err)
	}
	return listener, nil
}

func (p Plan) serveHTTP(ctx context.Context, group *sync.WaitGroup) error {
	listener, err := p.Web.listen(p.Ports.HTTP)
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(make([]byte, size)) // a client that goes is its own affair
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	group.Go(func() { _ = server.Serve(listener) }) // ends by Close
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

func (p Plan) serveDNS(ctx context.Context, group *sync.WaitGroup) error {
	var socket net.PacketConn
	err := p.Services.Do(func() (err error) {
		socket, err = (&net.ListenConfig{}).ListenPacket(ctx, "udp", fmt.Sprintf("[::]:%d", p.Ports.DNS))
		return err
	})
	if err != nil {
		return fmt.Errorf("open a service of %s: %w", p.Services.Name, err)
	}
	context.AfterFunc(ctx, func() { _ = socket.Close() })
	group.Go(func() {
		buffer := make([]byte, 512)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, err := p.answerDNS(buffer[:n]); err == nil {
				_, _ = socket.WriteTo(answer, from) // as unreliable as DNS
			}
		}
	})
	return nil
}

// answerDNS answers every question with the web server's addresses.
func (p Plan) answerDNS(question []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(question); err != nil || len(message.Questions) != 1 {
		return nil, errors.Join(err, errors.New("no question"))
	}
	q := message.Questions[0]
	message.Response = true
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
	switch q.Type {
	case dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: p.Web.IPv4.As4()}}}
	case dnsmessage.TypeAAAA:
		message.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: p.Web.IPv6.As16()}}}
	}
	return message.Pack()
}

const sshBanner = "SSH-2.0-weir-demo\r\n"

// serveSSH greets like an SSH server and echoes what is typed: packets of a shell, no cryptography.
func (p Plan) serveSSH(ctx context.Context, group *sync.WaitGroup) error {
	listener, err := p.Services.listen(p.Ports.SSH)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	group.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
			group.Go(func() {
				defer stop()
				defer connection.Close()
				if _, err := io.WriteString(connection, sshBanner); err == nil {
					_, _ = io.Copy(connection, connection) // ends with the connection
				}
			})
		}
	})
	return nil
}

// dial opens a connection of the host.
func (h Host) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	var connection net.Conn
	err := h.Do(func() (err error) {
		// Without fallback a single address is dialled on the calling goroutine, which is on the host.
		dialer := net.Dialer{FallbackDelay: -1, Timeout: 2 * time.Second}
		connection, err = dialer.DialContext(ctx, network, to.String())
		return err
	})
	return connection, err
}

func (p Plan) fetch(from Host, to netip.Addr, page string) func(context.Context) error {
	address := netip.AddrPortFrom(to, p.Ports.HTTP)
	return func(ctx context.Context) error {
		connection, err := from.dial(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n", page); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, connection)
		return err
	}
}

func (p Plan) ask(from Host, to netip.Addr) func(context.Context) error {
	address := netip.AddrPortFrom(to, p.Ports.DNS)
	var id uint16
	return func(ctx context.Context) error {
		id++
		message := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{
			{Name: dnsmessage.MustNewName("web.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
		question, err := message.Pack()
		if err != nil {
			return err
		}
		connection, err := from.dial(ctx, "udp", address)
		if err != nil {
			return err
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(time.Second))
		if _, err := connection.Write(question); err != nil {
			return err
		}
		_, err = connection.Read(make([]byte, 512))
		return err
	}
}

// shell keeps one connection open, types a line each time, and reads the echo; it logs in again if it is thrown out.
func (p Plan) shell(from Host, to netip.Addr) func(context.Context) error {
	address := netip.AddrPortFrom(to, p.Ports.SSH)
	var connection net.Conn
	var reader *bufio.Reader
	return func(ctx context.Context) (err error) {
		if connection == nil {
			if connection, err = from.dial(ctx, "tcp", address); err != nil {
				connection = nil
				return err
			}
			context.AfterFunc(ctx, func() { _ = connection.Close() })
			reader = bufio.NewReader(connection)
			if _, err = reader.ReadString('\n'); err != nil {
				_ = connection.Close()
				connection = nil
				return err
			}
		}
		_ = connection.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err = io.WriteString(connection, "uptime\r\n"); err == nil {
			_, err = reader.ReadString('\n')
		}
		if err != nil {
			_ = connection.Close()
			connection = nil
		}
		return err
	}
}

// refused knocks where nothing listens.
func (p Plan) refused(from Host, to netip.Addr) func(context.Context) error {
	address := netip.AddrPortFrom(to, p.Ports.Closed)
	return func(ctx context.Context) error {
		if connection, err := from.dial(ctx, "tcp", address); err == nil {
			_ = connection.Close()
			return fmt.Errorf("%s answered, which it must not", address)
		}
		return nil
	}
}

func (p Plan) ping(from Host, to netip.Addr) func(context.Context) error {
	return func(ctx context.Context) error {
		command := from.Command("ping", "-n", "-q", "-c", "1", "-W", "1", to.String())
		if err := command.Start(); err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = command.Process.Kill() })
		defer stop()
		return command.Wait()
	}
}
