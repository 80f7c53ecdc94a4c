package gateway

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/inventory"
)

// maxSecret bounds tokens and PEM files.
const maxSecret = 1 << 20

// credential is a Credential with its files read.
type credential struct {
	Credential
	token string
	tls   client.TLS
	err   error // why a file of it cannot be read: hosts that need it say so
}

// keyring are all credentials.
type keyring []credential

// loadKeyring reads the files. One that cannot be read makes only its own hosts fail.
func loadKeyring(list []Credential, read inventory.ReadFile) keyring {
	ring := make(keyring, len(list))
	for i, c := range list {
		ring[i].Credential = c
		ring[i].tls.ServerName = c.ServerName
		for _, file := range []struct {
			key, path string
			into      *string
		}{{"token_file", c.TokenFile, &ring[i].token}, {"ca_file", c.CAFile, &ring[i].tls.CA}, {"certificate_file", c.CertificateFile, &ring[i].tls.Certificate}, {"key_file", c.KeyFile, &ring[i].tls.Key}} {
			if file.path == "" {
				continue
			}
			text, err := read(file.path, maxSecret)
			if *file.into = strings.TrimSpace(string(text)); err == nil && *file.into == "" {
				err = fmt.Errorf("%s is empty", file.path)
			}
			if err != nil && ring[i].err == nil {
				ring[i].err = fmt.Errorf("auth %s: %s: %w", c.Name, file.key, err)
			}
		}
	}
	return ring
}

// find is the credential for an address: the one that is named, which must be meant for it, or the first that is. None
// is the zero one.
func (k keyring) find(name, address string) (credential, error) {
	host := hostOf(address)
	for _, c := range k {
		if name != "" && c.Name != name {
			continue
		}
		if c.isFor(host) {
			return c, c.err
		}
		if name != "" {
			return credential{}, fmt.Errorf("auth %s is not for %s: its hosts stand under for", name, host)
		}
	}
	if name != "" {
		return credential{}, fmt.Errorf("auth %s is not configured", name)
	}
	return credential{}, nil
}

func (c *Credential) isFor(host string) bool {
	address, err := netip.ParseAddr(host)
	for _, f := range c.For {
		if network, bad := netip.ParsePrefix(f); bad == nil {
			if err == nil && network.Contains(address.Unmap()) {
				return true
			}
			continue
		}
		if inventory.Match(strings.ToLower(f), host) {
			return true
		}
	}
	return false
}

// hostOf is the host of an address, without brackets and in lower case; of a Unix socket "unix".
func hostOf(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return "unix"
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}
