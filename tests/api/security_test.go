//go:build linux

package api

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// authority issues certificates, into files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = template, nil
	der, key := a.sign(template)
	a.key = key
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

// sign makes a certificate with a key of its own.
func (a *authority) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key // the authority's own
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) read(name string) string {
	a.t.Helper()
	text, err := os.ReadFile(a.path(name))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// issue writes NAME.pem and NAME.key, valid for 127.0.0.1.
func (a *authority) issue(name string, until time.Time) {
	a.t.Helper()
	a.n++
	der, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1 + a.n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", secret)
}

// client trusts the authority and shows the named certificate, if any.
func (a *authority) client(name string) *http.Client {
	a.t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM([]byte(a.read("ca.pem")))
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.path(name+".pem"), a.path(name+".key"))
		if err != nil {
			a.t.Fatal(err)
		}
		// Whatever the server asks for, it is shown this one.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

const someQuery = `{"query":"sip","ifaces":"any","first":"-1h","num_results":5}`

// guarded is a probe with a TLS listener, its URL, and the authority that signed its certificates.
func guarded(t *testing.T) (*rig, string, *authority) {
	a := newAuthority(t)
	for name, until := range map[string]time.Duration{"server": time.Hour, "known": time.Hour, "expired": -time.Hour} {
		a.issue(name, time.Now().Add(until))
	}
	r := newRig(t, options{server: func(cfg *serve.Config) {
		cfg.Listen = append(cfg.Listen,
			serve.Listen{TCP: "127.0.0.1:0", TLS: &serve.TLS{Certificate: a.path("server.pem"), Key: a.path("server.key"), ClientCA: a.path("ca.pem")}},
			serve.Listen{TCP: "127.0.0.1:0", Insecure: &serve.Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}})
		for _, role := range []serve.Role{serve.RoleQuery, serve.RolePackets, serve.RoleAdmin} {
			sum := sha256.Sum256([]byte("secret-" + role))
			cfg.Tokens = append(cfg.Tokens, serve.Token{Name: string(role), Role: role, SHA256: hex.EncodeToString(sum[:])})
		}
	}})
	return r, "https://" + r.server.Addrs()[3].String(), a
}

// wantWell checks that the probe answers others as before.
func (r *rig) wantWell(t *testing.T) {
	t.Helper()
	answer := send(t, http.DefaultClient, "POST", r.query+"/_query", someQuery)
	if answer.status != 200 || strings.Count(string(answer.body), `"labels"`) != 5 {
		t.Errorf("the probe is not well: %d %s", answer.status, answer.body)
	}
	for name, s := range r.agent.Status().Statuses {
		if !s.Capturing {
			t.Errorf("%s is not captured any more: %s", name, s.Reason)
		}
	}
}

// wantLogged checks that the log tells of a refusal.
func (r *rig) wantLogged(t *testing.T, parts ...string) {
	t.Helper()
	var missing string
	for range 6000 { // the line may follow the answer
		missing = ""
		for _, line := range parts {
			if !strings.Contains(r.log.String(), line) {
				missing = line
			}
		}
		if missing == "" {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("the log does not say %q:\n%s", missing, r.log)
}

// Of all endpoints only GET /-/health answers those who say nothing of themselves.
func TestEveryEndpointIsGuarded(t *testing.T) {
	r, url, a := guarded(t)
	patterns := r.server.Patterns()
	if len(patterns) < 18 {
		t.Errorf("only %d endpoints: %q", len(patterns), patterns)
	}
	needs := map[string]string{"PUT /config": "admin", "POST /config/_reload": "admin"}
	nobody := a.client("")
	for _, pattern := range patterns {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{iface}", "eth0", "{list}", "x").Replace(path)
		ask := func(token string) int {
			if token == "" {
				return send(t, nobody, method, url+path, "").status
			}
			return send(t, nobody, method, url+path, "", "Authorization", "Bearer "+token).status
		}
		if pattern == "GET /-/health" {
			if got := ask(""); got != 200 {
				t.Errorf("%s: %d", pattern, got)
			}
			continue
		}
		for _, token := range []string{"", "secret-", "secret-other", strings.Repeat("x", 5000)} {
			if got := ask(token); got != 401 {
				t.Errorf("%s with token %.20q: %d, want 401", pattern, token, got)
			}
		}
		for _, role := range []string{"query", "packets", "admin"} {
			refused := needs[pattern] == "admin" && role != "admin"
			if got := ask("secret-" + role); (got == 403) != refused || got == 401 || got >= 500 {
				t.Errorf("%s as %s: %d", pattern, role, got)
			}
		}
		if got := send(t, http.DefaultClient, method, "http://"+r.server.Addrs()[4].String()+path, "").status; got != 403 {
			t.Errorf("%s from a foreign network: %d, want 403", pattern, got)
		}
	}
	for _, path := range []string{"/", "/-/", "/-/health/x", "/debug/pprof/", "/_query/../status", "/%2e%2e/config"} {
		if got := send(t, nobody, "GET", url+path, "").status; got != 401 {
			t.Errorf("%s: %d, want 401", path, got)
		}
	}
	r.wantLogged(t, "msg=refused", "code=401", "code=403", "caller=token:query", "path=/config")
	if text := r.log.String(); strings.Contains(text, "secret-") {
		t.Error("a token stands in the log")
	}
	r.wantWell(t)
}

func TestClientCertificates(t *testing.T) {
	r, url, a := guarded(t)
	stranger := newAuthority(t)
	stranger.issue("stranger", time.Now().Add(time.Hour))
	for _, file := range []string{"stranger.pem", "stranger.key"} {
		if err := os.WriteFile(a.path(file), []byte(stranger.read(file)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := send(t, a.client("known"), "POST", url+"/_query", someQuery).status; got != 200 {
		t.Errorf("a known certificate: %d", got)
	}
	if got := send(t, a.client("known"), "PUT", url+"/config", "{}").status; got != 403 {
		t.Errorf("a known certificate as admin: %d", got)
	}
	for _, name := range []string{"expired", "stranger"} {
		response, err := a.client(name).Get(url + "/-/info")
		if err == nil {
			response.Body.Close()
			t.Errorf("%s certificate: %d, want no connection", name, response.StatusCode)
		}
	}
	r.wantLogged(t, "msg=refused", "has expired", "unknown authority")
	r.wantWell(t)
}

// A server whose certificate has expired is not asked, and the error says why.
func TestExpiredServerCertificate(t *testing.T) {
	a := newAuthority(t)
	a.issue("server", time.Now().Add(-time.Hour))
	r := newRig(t, options{server: func(cfg *serve.Config) {
		sum := sha256.Sum256([]byte("secret"))
		cfg.Tokens = []serve.Token{{Name: "x", Role: serve.RoleQuery, SHA256: hex.EncodeToString(sum[:])}}
		cfg.Listen = append(cfg.Listen, serve.Listen{TCP: "127.0.0.1:0", TLS: &serve.TLS{Certificate: a.path("server.pem"), Key: a.path("server.key")}})
	}})
	c, err := client.New(client.Config{URL: "https://" + r.server.Addrs()[3].String(), Token: "secret", TLS: client.TLS{CA: a.read("ca.pem")}}, client.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any"})
	var e *client.Error
	if !errors.As(err, &e) || e.Kind != client.KindTLS || !strings.Contains(e.Text, "expired") {
		t.Errorf("Query: %v", err)
	}
	r.wantLogged(t, "msg=refused", "TLS: ")
	r.wantWell(t)
}

func TestOversizeBodies(t *testing.T) {
	r := newRig(t, options{server: func(cfg *serve.Config) { cfg.Limits.List = 1 << 20 }})
	large := strings.Repeat("203.0.113.9\n", 1<<18) // 3 MB
	for _, request := range [][3]string{
		{"POST", "/_query", `{"query":"sip","ifaces":"any","condition":"` + large + `"}`},
		{"POST", "/_query/sse", `{"query":"` + large + `"}`},
		{"POST", "/_query/validate", large},
		{"PUT", "/config", `{"` + large + `":{}}`},
		{"POST", "/_actors", large},
	} {
		checkProblem(t, send(t, http.DefaultClient, request[0], r.admin+request[1], request[2]), 413)
	}
	// A header that is too long, a length that is a lie.
	if got := send(t, http.DefaultClient, "GET", r.query+"/-/info", "", "X-Long", strings.Repeat("x", 100<<10)).status; got != 431 {
		t.Errorf("a header of 100 kB: %d", got)
	}
	r.wantLogged(t, "code=413")
	r.wantWell(t)
}

// Two hundred callers that send drop by drop are cut off, and nobody else waits for them.
func TestSlowLoris(t *testing.T) {
	// As long as a machine may stand still without those being cut off that send all at once.
	r := newRig(t, options{server: func(cfg *serve.Config) { cfg.Limits.Header = 3 * time.Second }})
	address := strings.TrimPrefix(r.query, "http://")
	var callers sync.WaitGroup
	for i := range 200 {
		callers.Go(func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			text := "POST /_query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
			if i%2 == 0 {
				text += "\r\n{" // the body comes drop by drop, else the header
			}
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
			}
			if err := drip(c, 2*time.Minute); err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	began := time.Now()
	for range 20 {
		r.wantWell(t)
	}
	t.Logf("20 queries took %v beside 200 slow callers", time.Since(began).Round(time.Millisecond))
	callers.Wait()
	r.wantLogged(t, "the connection ended without a request", "code=400")
	if n := strings.Count(r.log.String(), "ended without a request"); n > 50 {
		t.Errorf("%d lines: whoever opens connections can fill the disk", n)
	}
	r.wantWell(t)
}

// drip sends a byte now and then until the other end has had enough.
func drip(c net.Conn, limit time.Duration) error {
	answer := make(chan error, 1)
	go func() {
		_ = c.SetReadDeadline(time.Now().Add(limit))
		text, err := io.ReadAll(c)
		if err == nil && len(text) > 0 && !bytes.HasPrefix(text, []byte("HTTP/1.1 4")) {
			err = fmt.Errorf("answered %.60q", text)
		}
		if errors.Is(err, syscall.ECONNRESET) {
			err = nil
		}
		answer <- err
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-answer:
			return err
		case <-tick.C:
			_, _ = c.Write([]byte("x")) // the connection may be closed
		}
	}
}

// The socket lets in whom its mode lets in; a peer that is not root may only query.
func TestUnixSocket(t *testing.T) {
	r := newRig(t, options{})
	c := unixClient(t, r.socket)
	want := 403
	if os.Geteuid() == 0 {
		want = 200
	}
	if got := send(t, c, "POST", "http://unix/config/_reload", "").status; got != want {
		t.Errorf("as uid %d: %d, want %d", os.Geteuid(), got, want)
	}
	if info, err := os.Stat(r.socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A query that comes back to the probe that asked it is refused, by whatever way it went.
func TestOwnQueryIsRefused(t *testing.T) {
	r := newRig(t, options{})
	for _, path := range []string{"/_query", "/_query/sse"} {
		checkProblem(t, send(t, http.DefaultClient, "POST", r.query+path, someQuery, "X-GOPROBE-RUNTIME-ID", r.agent.RuntimeID()), 400)
		if got := send(t, http.DefaultClient, "POST", r.query+path, someQuery, "X-GOPROBE-RUNTIME-ID", strings.Repeat("0", 32)+"_"+strings.Repeat("0", 64)).status; got != 200 {
			t.Errorf("another's query: %d", got)
		}
	}
	if id, hash, ok := strings.Cut(r.agent.RuntimeID(), "_"); !ok || len(id) != 32 || len(hash) != 64 {
		t.Errorf("runtime id %q is not of goProbe's form", r.agent.RuntimeID())
	}
}
