package natshttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	defaultAnnounce = 30 * time.Second
	// settle is within how long all hosts that were asked to have announced themselves: each waits a random part of it.
	settle = time.Second
)

// Bounds on an announcement.
const (
	maxAnnouncement = 64 << 10
	maxLabels       = 64
	maxLabel        = 256
	maxInterval     = time.Hour
)

// Announcement is what a host says of itself on weir.v1.<site>.<host>.here.
type Announcement struct {
	Name     string            `json:"name"`
	Site     string            `json:"site"`
	ID       string            `json:"id"`
	Instance string            `json:"instance"` // of the process
	Labels   map[string]string `json:"labels,omitempty"`
	Version  string            `json:"version,omitempty"`
	Gateway  bool              `json:"gateway,omitempty"`
	// IntervalSeconds is the time to the next announcement.
	IntervalSeconds int `json:"interval_seconds"`
	// Leaving says that the host is about to end.
	Leaving bool `json:"leaving,omitempty"`
}

func (a *Announcement) address() Address { return Address{Site: a.Site, Host: a.Name} }

func (a *Announcement) interval() time.Duration {
	return time.Duration(a.IntervalSeconds) * time.Second
}

// validate bounds what hosts claim.
func (a *Announcement) validate() error {
	if err := a.address().Validate(); err != nil {
		return err
	}
	switch {
	case a.Site == "":
		return errors.New("nats: the announcement names no site")
	case len(a.ID) > maxLabel || len(a.Instance) > maxLabel || len(a.Version) > maxLabel:
		return fmt.Errorf("nats: id, instance and version may have %d bytes", maxLabel)
	case a.IntervalSeconds < 1 || a.interval() > maxInterval:
		return fmt.Errorf("nats: the interval is %d s: expected 1 to %d", a.IntervalSeconds, int(maxInterval/time.Second))
	case len(a.Labels) > maxLabels:
		return fmt.Errorf("nats: %d labels: at most %d", len(a.Labels), maxLabels)
	}
	for key, value := range a.Labels {
		if key == "" || len(key) > maxLabel || len(value) > maxLabel {
			return fmt.Errorf("nats: a label's name and value may have %d bytes, and the name at least one", maxLabel)
		}
	}
	return nil
}

// decodeAnnouncement reads what came on a subject. A host can only speak for itself: the server's permissions bind it to
// its subject, and the subject to its name.
func decodeAnnouncement(m *nats.Msg) (*Announcement, error) {
	if len(m.Data) > maxAnnouncement {
		return nil, fmt.Errorf("nats: an announcement of %d bytes: at most %d", len(m.Data), maxAnnouncement)
	}
	a := new(Announcement)
	if err := json.Unmarshal(m.Data, a); err != nil {
		return nil, fmt.Errorf("nats: read an announcement: %w", err)
	}
	if err := a.validate(); err != nil {
		return nil, err
	}
	if m.Subject != a.address().subject("here") {
		return nil, fmt.Errorf("nats: %s is announced on another host's subject", a.address())
	}
	return a, nil
}

// announce says that the host is there: when the connection comes, when somebody asks, and every now and then. At the end
// of ctx it says that the host leaves.
func (r *Responder) announce(ctx context.Context, discovered <-chan struct{}) {
	connected := make(chan struct{}, 1)
	defer r.deps.Link.watch(func(up bool) {
		if up {
			select {
			case connected <- struct{}{}:
			default:
			}
		}
	})()
	r.say(false)
	timer := time.NewTimer(r.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.say(true)
			return
		case <-connected:
		case <-discovered:
			if !sleep(ctx, rand.N(settle)) {
				r.say(true)
				return
			}
			select { // those who asked meanwhile are answered, too
			case <-discovered:
			default:
			}
		case <-timer.C:
		}
		r.say(false)
		timer.Reset(r.pause())
	}
}

// pause is the time to the next announcement: a fleet that started in one moment does not speak in one.
func (r *Responder) pause() time.Duration {
	tenth := r.cfg.Announce / 10
	return r.cfg.Announce - tenth + rand.N(2*tenth+1)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Responder) say(leaving bool) {
	here := r.cfg.Here
	here.Leaving = leaving
	data, err := json.Marshal(here)
	if err != nil {
		r.deps.Logger.Error("nats: announce", "error", err)
		return
	}
	if err := r.deps.Link.conn.Publish(r.cfg.subject("here"), data); err != nil && !strings.Contains(err.Error(), "reconnect") {
		r.deps.Logger.Warn("nats: announce", "error", err) // else it is said when the connection is back
	}
}
