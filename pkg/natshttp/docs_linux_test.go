package natshttp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// certificate writes a CA's and a server's certificate for loopback into a directory, and returns the CA's.
func certificate(t *testing.T, dir string) (ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for name, text := range map[string]string{"tls.crt": ca, "ca.crt": ca, "tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return ca
}

// The configurations of docs/FLEET.md are what the real server takes, and do what the page says: a host with the least
// permissions at the leaf node is discovered and asked through the server in the middle, all of it over TLS.
func TestDocumentedServers(t *testing.T) {
	page := read(t, filepath.Join(testenv.Root(), "docs", "FLEET.md"))
	blocks := regexp.MustCompile("(?s)```conf\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d configurations on the page", len(blocks))
	}
	dir := t.TempDir()
	ca := certificate(t, dir)
	gatewaySeed, gatewayKey := seed(t)
	leafSeed, leafKey := seed(t)
	hostSeed, hostKey := seed(t)
	leafnodes := testenv.FreePort(t)
	replace := strings.NewReplacer("/etc/nats", dir, "UAJKEFGVTUWDVPNES4L7FHSF5STG3HZ5XXXQKZZID5YWJ25ZLQY5FUMI", gatewayKey, "UBLEAFKEY", leafKey, "UCHOSTKEY", hostKey, "$LEAF_SEED", leafSeed,
		"0.0.0.0:7422", fmt.Sprintf("127.0.0.1:%d", leafnodes), "hub.example.com:7422", fmt.Sprintf("127.0.0.1:%d", leafnodes),
		`listen: "0.0.0.0:4222"`, "")
	var servers [2]*server
	for i, b := range blocks {
		text := replace.Replace(b[1])
		checked := filepath.Join(dir, "checked.conf")
		if err := os.WriteFile(checked, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		if output, err := exec.Command(path, "-t", "-c", checked).CombinedOutput(); err != nil {
			t.Fatalf("configuration %d: %v: %s", i, err, output)
		}
		servers[i] = startServer(t, text)
	}
	at := func(seed string) func(*Config) {
		return func(cfg *Config) { cfg.NKeySeed, cfg.CA = seed, ca }
	}
	host := link(t, servers[1], at(hostSeed))
	respond(t, host, "web1", http.HandlerFunc(echo), func(cfg *ResponderConfig) { cfg.Site = "fra" })
	asker := link(t, servers[0], at(gatewaySeed))
	d, _ := discover(t, asker, DiscoveryConfig{})
	eventually(t, "the host is discovered through the leaf node", func() bool {
		list, err := d.Load(t.Context())
		if err == nil && len(list.Entries) == 0 {
			d.ask() // the leaf node may have connected after the first time
			time.Sleep(100 * time.Millisecond)
		}
		return err == nil && names(list) == "web1"
	})
	c, rt := ask(t, asker)
	r, _ := http.NewRequest("GET", "nats://web1.fra/?size=3000000", nil)
	r.Header.Set("Authorization", "Bearer secret") // which goes over TLS only
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if text, err := fetch(c, "nats://web1.fra/?size=3000000"); err != nil || text != string(pattern(3000000)) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if st := host.Status(); st.Error != "" || !st.Connected {
		t.Errorf("%+v", st)
	}
	idle(t, rt)
	plain, err := Connect(Config{Servers: []string{servers[0].address()}, NKeySeed: gatewaySeed}, LinkDeps{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	eventually(t, "a server that is not known by its CA is refused", func() bool {
		return strings.Contains(plain.Status().Error, "certificate") && !plain.Status().Connected
	})
}
