package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	writePEM(t, filepath.Join(a.dir, "ca.pem"), "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes NAME.pem and NAME.key and returns their paths.
func (a *authority) issue(name string, until time.Time) (certificate, key string) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	private := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	writePEM(a.t, certificate, "CERTIFICATE", der)
	writePEM(a.t, key, "EC PRIVATE KEY", secret)
	return certificate, key
}

// client trusts the authority and shows a certificate, if one is named.
func (a *authority) client(certificate, key string) *http.Client {
	a.t.Helper()
	config := &tls.Config{RootCAs: a.pool}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			a.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// roleRoutes is a route for each role.
func roleRoutes() []Route {
	var list []Route
	for _, role := range []Role{RoleQuery, RolePackets, RoleAdmin} {
		list = append(list, Route{"GET /for/" + string(role), role, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, callerOf(r.Context()).name)
		})})
	}
	return list
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.issue("server", time.Now().Add(time.Hour))
	cfg := DefaultConfig()
	cfg.Listen = []Listen{{TCP: "127.0.0.1:0", TLS: &TLS{Certificate: certificate, Key: key, ClientCA: filepath.Join(a.dir, "ca.pem")}}}
	cfg.Tokens = []Token{{"grafana", RoleQuery, hash("q")}, {"soc", RolePackets, hash("p")}, {"ops", RoleAdmin, strings.ToUpper(hash("a"))}}
	s, log := start(t, cfg, Deps{Extra: roleRoutes()})
	url := "https://" + s.Addrs()[0].String()
	plain := a.client("", "")
	known := a.client(a.issue("grafana.example.org", time.Now().Add(time.Hour)))

	for _, test := range []struct {
		name    string
		client  *http.Client
		headers []string
		status  [4]int // of /-/health and the routes for query, packets, admin
	}{
		{"nothing", plain, nil, [4]int{200, 401, 401, 401}},
		{"unknown token", plain, []string{"Authorization", "Bearer x"}, [4]int{200, 401, 401, 401}},
		{"empty token", plain, []string{"Authorization", "Bearer "}, [4]int{200, 401, 401, 401}},
		{"other scheme", plain, []string{"Authorization", "digest q"}, [4]int{200, 401, 401, 401}},
		{"hash as token", plain, []string{"Authorization", "Bearer " + hash("a")}, [4]int{200, 401, 401, 401}},
		{"query", plain, []string{"Authorization", "Bearer q"}, [4]int{200, 200, 403, 403}},
		{"packets", plain, []string{"Authorization", "Bearer p"}, [4]int{200, 200, 200, 403}},
		{"admin", plain, []string{"Authorization", "Bearer a"}, [4]int{200, 200, 200, 200}},
		{"basic", plain, []string{"Authorization", "Basic dXNlcjph"}, [4]int{200, 200, 200, 200}}, // user:a
		{"basic, wrong", plain, []string{"Authorization", "Basic YTp1c2Vy"}, [4]int{200, 401, 401, 401}},
		{"certificate", known, nil, [4]int{200, 200, 403, 403}},
		{"certificate and token", known, []string{"Authorization", "Bearer a"}, [4]int{200, 200, 200, 200}},
		{"certificate and unknown token", known, []string{"Authorization", "Bearer x"}, [4]int{200, 401, 401, 401}},
	} {
		for i, path := range []string{"/-/health", "/for/query", "/for/packets", "/for/admin"} {
			response, body := send(t, test.client, "GET", url+path, "", test.headers...)
			if response.StatusCode != test.status[i] {
				t.Errorf("%s: %s: %d, want %d: %s", test.name, path, response.StatusCode, test.status[i], body)
			}
			if response.StatusCode == 401 {
				wantProblem(t, response, body, 401)
				if len(response.Header.Values("WWW-Authenticate")) != 2 {
					t.Errorf("%s: no WWW-Authenticate", test.name)
				}
			}
		}
	}
	for _, path := range []string{"/_query", "/_catalog", "/-/info", "/-/ready", "/metrics", "/no/such/path"} {
		if response, _ := send(t, plain, "GET", url+path, ""); response.StatusCode != 401 {
			t.Errorf("%s without a token: %d, want 401", path, response.StatusCode)
		}
	}
	if text := log.String(); !strings.Contains(text, "msg=refused") || !strings.Contains(text, "caller=token:grafana") {
		t.Errorf("refusals are not logged: %.500s", text)
	}
	if strings.Contains(log.String(), hash("a")) {
		t.Error("a secret stands in the log")
	}
}

func TestTLSRefusesForeignAndExpiredCertificates(t *testing.T) {
	a, foreign := newAuthority(t), newAuthority(t)
	certificate, key := a.issue("server", time.Now().Add(time.Hour))
	cfg := DefaultConfig()
	cfg.Listen = []Listen{{TCP: "127.0.0.1:0", TLS: &TLS{Certificate: certificate, Key: key, ClientCA: filepath.Join(a.dir, "ca.pem")}}}
	s, _ := start(t, cfg, Deps{})
	foreign.pool = a.pool
	for name, client := range map[string]*http.Client{
		"expired": a.client(a.issue("old", time.Now().Add(-time.Hour))),
		"foreign": foreign.client(foreign.issue("stranger", time.Now().Add(time.Hour))),
	} {
		response, err := client.Get("https://" + s.Addrs()[0].String() + "/-/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode != 401 {
				t.Errorf("%s certificate: %d", name, response.StatusCode)
			}
		}
	}
	if response, err := http.Get("http://" + s.Addrs()[0].String() + "/-/health"); err == nil {
		response.Body.Close()
		if response.StatusCode != 400 {
			t.Errorf("cleartext on a TLS listener: %d", response.StatusCode)
		}
	}
}

func TestRenewedCertificateNeedsNoRestart(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.issue("server", time.Now().Add(time.Hour))
	pair := &keyPair{certificate: certificate, key: key}
	first, err := pair.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.issue("server", time.Now().Add(2*time.Hour))
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(certificate, later, later); err != nil {
		t.Fatal(err)
	}
	second, err := pair.get(nil)
	if err != nil || string(first.Certificate[0]) == string(second.Certificate[0]) {
		t.Errorf("the renewed certificate is not used: %v", err)
	}
	if err := os.WriteFile(certificate, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := pair.get(nil)
	if err != nil || string(third.Certificate[0]) != string(second.Certificate[0]) {
		t.Errorf("a damaged file takes the server down: %v", err)
	}
}

func TestInsecureNetworks(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen = []Listen{
		{TCP: "127.0.0.1:0", Insecure: &Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
		{TCP: "127.0.0.1:0", Insecure: &Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Role: RolePackets}},
		{TCP: "[::]:0", Insecure: &Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}}, // mapped addresses
	}
	cfg.Tokens = []Token{{"ops", RoleAdmin, hash("a")}}
	s, _ := start(t, cfg, Deps{Extra: roleRoutes()})
	_, port, _ := net.SplitHostPort(s.Addrs()[2].String())
	for _, test := range []struct {
		address string
		status  [4]int
	}{
		{s.Addrs()[0].String(), [4]int{200, 403, 403, 403}},
		{s.Addrs()[1].String(), [4]int{200, 200, 200, 403}},
		{"127.0.0.1:" + port, [4]int{200, 200, 403, 403}},
	} {
		for i, path := range []string{"/-/health", "/for/query", "/for/packets", "/for/admin"} {
			// A token is no help here: it has been sent in the clear.
			response, body := send(t, http.DefaultClient, "GET", "http://"+test.address+path, "", "Authorization", "Bearer a")
			if response.StatusCode != test.status[i] {
				t.Errorf("%s%s: %d, want %d: %s", test.address, path, response.StatusCode, test.status[i], body)
			}
		}
	}
}

// overUnix is a client of a Unix socket.
func overUnix(t *testing.T, path string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestUnixSocketPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "probe.sock")
	cfg := DefaultConfig()
	cfg.Listen = []Listen{{Unix: path}}
	cfg.Tokens = []Token{{"ops", RoleAdmin, hash("a")}}
	_, _ = start(t, cfg, Deps{Extra: roleRoutes()})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v, %v; want mode 0660", info.Mode(), err)
	}
	want := 403
	if os.Geteuid() == 0 {
		want = 200
	}
	client := overUnix(t, path)
	if response, body := send(t, client, "GET", "http://unix/for/admin", ""); response.StatusCode != want {
		t.Errorf("as uid %d: %d, want %d: %s", os.Geteuid(), response.StatusCode, want, body)
	}
	if response, body := send(t, client, "GET", "http://unix/for/query", ""); response.StatusCode != 200 || !strings.HasPrefix(body, "uid:") && !strings.HasPrefix(body, "unix") {
		t.Errorf("the peer is not known: %d %s", response.StatusCode, body)
	}
	if response, _ := send(t, client, "GET", "http://unix/for/admin", "", "Authorization", "Bearer a"); response.StatusCode != 200 {
		t.Errorf("a token over the socket: %d", response.StatusCode)
	}
	if got := identifyPeer((&http.Request{}).WithContext(context.WithValue(t.Context(), peerKey{}, peer{known: true, uid: 1000}))); got.role != RoleQuery {
		t.Errorf("uid 1000 is %v", got)
	}
	if got := identifyPeer((&http.Request{}).WithContext(t.Context())); got.role != RoleQuery {
		t.Errorf("an unknown peer is %v", got)
	}
}
