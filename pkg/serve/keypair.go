package serve

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// keyPair is a certificate and key that are read again after the files have changed, so that a renewed certificate
// needs no restart. While a changed pair cannot be read, the former one serves.
type keyPair struct {
	certificate, key string

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time
}

func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := [2]time.Time{modified(p.certificate), modified(p.key)}
	if p.current != nil && changed == p.changed {
		return p.current, nil
	}
	pair, err := tls.LoadX509KeyPair(p.certificate, p.key)
	if err == nil {
		p.current, p.changed = &pair, changed
	}
	if p.current == nil {
		return nil, fmt.Errorf("read tls.certificate %s and tls.key %s: %w", p.certificate, p.key, err)
	}
	return p.current, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
