package natshttp

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weirflow/weir/pkg/client"
)

// issuer signs for its account, or an operator for all.
type issuer struct {
	pair   nkeys.KeyPair
	public string
}

func newIssuer(t *testing.T, create func() (nkeys.KeyPair, error)) issuer {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return issuer{pair, public}
}

// account is a new account that an operator signs, and its token.
func (i issuer) account(t *testing.T, name string) (account issuer, token string) {
	t.Helper()
	account = newIssuer(t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(account.public)
	claims.Name = name
	token, err := claims.Encode(i.pair)
	if err != nil {
		t.Fatal(err)
	}
	return account, token
}

// credentials are the text of a .creds file of a new user of an account.
func (i issuer) credentials(t *testing.T, expires time.Time, permissions *Permissions) string {
	t.Helper()
	user := newIssuer(t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(user.public)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	if permissions != nil {
		claims.Sub.Allow, claims.Pub.Allow = permissions.Subscribe, permissions.Publish
		claims.Resp = &jwt.ResponsePermission{MaxMsgs: MaxResponses, Expires: MaxRequest}
	}
	token, err := claims.Encode(i.pair)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Accounts and users are signed by an operator, none of them stands in the server's configuration: a host with no more
// permissions than it needs answers those of its account, to others it is not there; a user whose time is over, or whom
// another operator signed, is refused and told why.
func TestCredentialsWithJWT(t *testing.T) {
	operator := newIssuer(t, nkeys.CreateOperator)
	claims := jwt.NewOperatorClaims(operator.public)
	own, err := claims.Encode(operator.pair)
	if err != nil {
		t.Fatal(err)
	}
	acme, acmeToken := operator.account(t, "ACME")
	other, otherToken := operator.account(t, "OTHER")
	foreign, _ := newIssuer(t, nkeys.CreateOperator).account(t, "FOREIGN")
	s := startServer(t, fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: {%s: %s, %s: %s}", own, acme.public, acmeToken, other.public, otherToken))
	as := func(text string) func(*Config) { return func(cfg *Config) { cfg.Credentials = text } }
	least := PermissionsOf(Address{Host: "web", Site: "fra"})
	body := pattern(1 << 20)
	respond(t, link(t, s, as(acme.credentials(t, time.Time{}, &least))), "web", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }),
		func(cfg *ResponderConfig) { cfg.Site = "fra" })
	c, _ := ask(t, link(t, s, as(acme.credentials(t, time.Now().Add(time.Hour), nil))))
	response, err := c.Get("nats://web.fra/")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || string(text) != string(body) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	outside, _ := ask(t, link(t, s, as(other.credentials(t, time.Time{}, nil))))
	_, err = outside.Get("nats://web.fra/")
	if e := reason(t, err); e.Kind != client.KindRefused {
		t.Errorf("asked from another account: %v", err)
	}
	for name, credentials := range map[string]string{
		"expired": acme.credentials(t, time.Now().Add(-time.Minute), nil), "of another operator": foreign.credentials(t, time.Time{}, nil),
	} {
		refused, err := Connect(Config{Servers: []string{s.address()}, Credentials: credentials, FirstRetry: time.Millisecond}, LinkDeps{Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(refused.Close)
		eventually(t, name+": the refusal is told", func() bool { return strings.Contains(refused.Status().Error, "uth") })
		if refused.Status().Connected {
			t.Errorf("%s: is let in", name)
		}
	}
}
