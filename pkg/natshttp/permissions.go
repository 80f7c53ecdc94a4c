package natshttp

import "time"

// Bounds on what a server lets a host answer to one request, as its permissions have it (allow_responses).
const (
	MaxResponses = 100_000
	MaxRequest   = time.Hour
)

// Permissions are the subjects that a user of the NATS server needs.
type Permissions struct{ Subscribe, Publish []string }

// PermissionsOf is the least that a host needs, beside leave to answer those who ask it; of an empty address, what any host
// needs.
func PermissionsOf(a Address) Permissions {
	query, control, here := prefix+"*.*.query", prefix+"*.*.control.*", prefix+"*.*.here"
	if a != (Address{}) {
		query, control, here = a.subject("query"), a.subject("control.*"), a.subject("here")
	}
	return Permissions{Subscribe: []string{query, control, discoverSubject}, Publish: []string{here}}
}
