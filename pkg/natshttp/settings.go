package natshttp

import (
	"errors"
	"fmt"
	"time"
)

// Settings are a Config as it stands in a configuration file, with secrets and certificates in files of their own.
type Settings struct {
	// Servers of one NATS server or cluster, such as tls://nats.example.com:4222; empty: NATS is not used. Connections
	// are encrypted unless all servers are on loopback, or insecure is set.
	Servers []string `yaml:"servers"`
	// Site is where this host is, a part of its subjects; at a gateway, whose hosts are asked, and empty for all.
	Site string `yaml:"site"`
	// TLS names PEM files.
	TLS SettingsTLS `yaml:"tls"`
	// CredentialsFile is a .creds file, a JWT with its seed. Of credentials_file, nkey_file and token_file one is given
	// at most.
	CredentialsFile string `yaml:"credentials_file"`
	// NKeyFile is the seed of an nkey.
	NKeyFile string `yaml:"nkey_file"`
	// TokenFile is a token of the NATS server's, which has nothing to do with those of the API.
	TokenFile string `yaml:"token_file"`
	// Insecure allows connections that others can read, and the secrets in them: for laboratories.
	Insecure bool `yaml:"insecure"`
	// Ping is the time between signs of life; after two without an answer a connection counts as lost.
	Ping time.Duration `yaml:"ping"`
}

// SettingsTLS names PEM files.
type SettingsTLS struct {
	// CA verifies the servers; empty: the system's authorities.
	CA string `yaml:"ca"`
	// Certificate is shown to the servers, with key.
	Certificate string `yaml:"certificate"`
	// Key of the certificate.
	Key string `yaml:"key"`
}

// DefaultSettings use no NATS.
func DefaultSettings() Settings { return Settings{Servers: []string{}, Ping: 10 * time.Second} }

// Enabled says that NATS is used.
func (s Settings) Enabled() bool { return len(s.Servers) > 0 }

// Validate says what is wrong, as far as that can be known without reading the files.
func (s Settings) Validate() error {
	files := s.CredentialsFile + s.NKeyFile + s.TokenFile + s.TLS.CA + s.TLS.Certificate + s.TLS.Key
	switch {
	case !s.Enabled() && (files != "" || s.Site != "" || s.Insecure):
		return errors.New("nats: without servers nothing else has an effect")
	case !s.Enabled():
		return nil
	case len(s.Site) > maxName:
		return fmt.Errorf("nats: the site's name may have %d bytes", maxName)
	case s.Ping < time.Second || s.Ping > time.Hour:
		return fmt.Errorf("nats: ping is %v: expected 1s to 1h", s.Ping)
	case (s.TLS.Certificate == "") != (s.TLS.Key == ""):
		return errors.New("nats: tls needs both a certificate and a key, or neither")
	}
	given := 0
	for _, file := range []string{s.CredentialsFile, s.NKeyFile, s.TokenFile} {
		if file != "" {
			given++
		}
	}
	if given > 1 {
		return errors.New("nats: credentials_file, nkey_file and token_file exclude each other: give one")
	}
	return Config{Servers: s.Servers}.Validate()
}

// Config reads the files by the function that is given.
func (s Settings) Config(read func(path string) ([]byte, error)) (Config, error) {
	c := Config{Servers: s.Servers, Cleartext: s.Insecure, Ping: s.Ping}
	for _, one := range []struct {
		path string
		into *string
	}{
		{s.TLS.CA, &c.CA}, {s.TLS.Certificate, &c.Certificate}, {s.TLS.Key, &c.Key},
		{s.CredentialsFile, &c.Credentials}, {s.NKeyFile, &c.NKeySeed}, {s.TokenFile, &c.Token},
	} {
		if one.path == "" {
			continue
		}
		text, err := read(one.path)
		if err != nil {
			return Config{}, fmt.Errorf("nats: %w", err)
		}
		if *one.into = string(text); len(text) == 0 {
			return Config{}, fmt.Errorf("nats: %s is empty", one.path)
		}
	}
	return c, c.Validate()
}
