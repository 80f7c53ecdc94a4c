package planted

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Answers are what is to be found in the fleet, by the six questions.
type Answers struct {
	Access      Access      // did A access B?
	Blocked     Blocked     // did A get blocked?
	Asymmetric  Asymmetric  // is there asymmetric routing?
	Hog         Hog         // who are the bandwidth hogs?
	Actor       Actor       // has an actor touched any system?
	Composition Composition // what was the traffic composition at time t?
	First, Last time.Time   // ends of the first and the last interval
}

// Access is that A used a service of B.
type Access struct {
	A, B, Service string
	Points        []string // "host iface", ordered
	First, Last   time.Time
	Attempts      uint64 // all of them accepted
	AToB, BToA    uint64 // bytes
}

// Blocked are attempts that a filter dropped on their way, and others that B refused.
type Blocked struct {
	A, B                            string
	Unanswered, Rejected            string // services
	UnansweredN, RejectedN          uint64 // attempts
	UnansweredAt, RejectedAt        []string
	UnansweredFirst, UnansweredLast time.Time
}

// Asymmetric is a pair whose two directions pass different routers, and one of whose second direction nobody sees.
type Asymmetric struct {
	Source, Destination         string
	ForwardBytes, BackwardBytes uint64
	Forward, Backward, Both     []string
	UnseenSource, UnseenTo      string
	UnseenBytes                 uint64
	Unseen                      []string
}

// Hog is who sends most over a link, since when.
type Hog struct {
	Source, Destination, Service string
	Host, Iface                  string
	Bytes                        uint64
	First, Last                  time.Time
}

// Actor is an address of a list, and what it did. List is a table, as lists of our own are; Clean is a list of addresses
// that were never seen.
type Actor struct {
	List, Clean                              string
	Address, Label, Source                   string
	Confidence                               int
	Hosts, Companies, Ports, Systems         []string // ordered; ports by flows
	Attempts, Accepted, Rejected, Unanswered uint64
	First, Last                              time.Time
}

// Composition is what passed an interface in one interval of the past.
type Composition struct {
	Host, Iface string
	At          time.Time // end of the interval
	Services    []Part    // the largest first
}

// Part is a service's part of a composition.
type Part struct {
	Service string // "udp/123"
	Bytes   uint64
}

// plant books all planted conversations.
func (b *builder) plant() *Answers {
	a := &Answers{First: b.end(-b.intervals), Last: b.end(-1)}
	b.plantAccess(&a.Access)
	b.plantBlocked(&a.Blocked)
	b.plantAsymmetric(&a.Asymmetric)
	b.plantHog(&a.Hog)
	b.plantActor(&a.Actor)
	b.plantComposition(&a.Composition)
	return a
}

// The ends of the planted conversations.
const (
	client      = "10.10.1.21"
	service     = "10.20.0.15"
	intruder    = "10.10.1.66"
	replicating = "10.10.2.5"
	replica     = "10.40.0.30"
	leaving     = "10.10.2.6"
	uploader    = "10.20.0.77"
	victim      = "10.40.0.13"
	actor       = "198.51.100.23"
)

func (b *builder) plantAccess(a *Access) {
	*a = Access{A: client, B: service, Service: "tcp/443", Points: []string{berlin + " lan0", berlin + " wan0", zurich1 + " lan0", zurich1 + " wan0"}}
	for number := -400; number <= -10; number += 6 {
		c := conversation{source: client, destination: service, protocol: flow.TCP, port: 443,
			asked: amount{20_480, 60}, answered: amount{307_200, 250}, attempts: 4}
		b.add(number, &c, through(zurich1, true, true, true), through(berlin, false, true, true))
		a.Attempts += c.attempts
		a.AToB += c.asked.bytes
		a.BToA += c.answered.bytes
		a.Last = b.end(number)
	}
	a.First = b.end(-400)
	// Attempts that nobody answers say on which side of the interfaces the two ends are.
	lost := conversation{source: client, destination: "203.0.113.199", protocol: flow.UDP, port: 123, asked: amount{90, 1}, attempts: 1}
	b.add(-200, &lost, through(zurich1, true, true, true))
	lost.source = service
	b.add(-200, &lost, through(berlin, true, true, true))
}

func (b *builder) plantBlocked(a *Blocked) {
	*a = Blocked{A: intruder, B: service, Unanswered: "tcp/22", Rejected: "tcp/3389",
		UnansweredAt:    []string{berlin + " wan0", zurich1 + " lan0", zurich1 + " wan0"},
		RejectedAt:      []string{berlin + " lan0", berlin + " wan0", zurich1 + " lan0", zurich1 + " wan0"},
		UnansweredFirst: b.end(-250), UnansweredLast: b.end(-241)}
	for number := -250; number <= -241; number += 3 {
		dropped := conversation{source: intruder, destination: service, protocol: flow.TCP, port: 22, asked: amount{594, 9}, attempts: 3}
		b.add(number, &dropped, through(zurich1, true, true, true), at(berlin, wan, true)) // the filter is at Berlin
		a.UnansweredN += dropped.attempts
	}
	refused := conversation{source: intruder, destination: service, protocol: flow.TCP, port: 3389, asked: amount{132, 2}, answered: amount{108, 2}, attempts: 2, rejects: 2}
	b.add(-240, &refused, through(zurich1, true, true, true), through(berlin, false, true, true))
	a.RejectedN = refused.attempts
}

func (b *builder) plantAsymmetric(a *Asymmetric) {
	*a = Asymmetric{Source: replicating, Destination: replica, Forward: []string{zurich1 + " lan0", zurich1 + " wan0"}, Backward: []string{zurich2 + " lan0", zurich2 + " wan0"},
		Both: []string{newYork + " lan0", newYork + " wan0"}, UnseenSource: leaving, UnseenTo: "203.0.113.80", Unseen: []string{zurich2 + " lan0", zurich2 + " wan0"}}
	for number := -300; number < -200; number += 4 {
		c := conversation{source: replicating, destination: replica, protocol: flow.TCP, port: 8443,
			asked: amount{900_000, 800}, answered: amount{60_000, 420}, attempts: 1}
		b.add(number, &c, through(zurich1, true, true, false), through(zurich2, true, false, true), through(newYork, false, true, true))
		a.ForwardBytes += c.asked.bytes
		a.BackwardBytes += c.answered.bytes
		gone := conversation{source: leaving, destination: a.UnseenTo, protocol: flow.TCP, port: 443,
			asked: amount{300_000, 300}, answered: amount{9_000, 200}, attempts: 1}
		b.add(number, &gone, through(zurich2, true, true, false))
		a.UnseenBytes += gone.asked.bytes
	}
}

func (b *builder) plantHog(a *Hog) {
	*a = Hog{Source: uploader, Destination: "203.0.113.10", Service: "tcp/443", Host: berlin, Iface: wan, First: b.end(-72), Last: b.end(-1)}
	for number := -72; number <= -1; number++ {
		c := conversation{source: uploader, destination: a.Destination, protocol: flow.TCP, port: 443,
			asked: amount{400_000_000, 290_000}, answered: amount{6_000_000, 90_000}, attempts: 1}
		b.add(number, &c, through(berlin, true, true, true))
		a.Bytes += c.asked.bytes + c.answered.bytes
	}
}

func (b *builder) plantActor(a *Actor) {
	*a = Actor{
		List: "prefix,port,proto,label,source,confidence,valid_from,valid_until\n" +
			actor + ",22,tcp,Sandgrouse,CERT,90,,\n198.51.100.64/26,,,scanners,own sensors,40,,\n2001:db8:bad::/48,,,Sandgrouse,CERT,70,,\n",
		Clean:   "198.51.100.128/25\n2001:db8:bad:1::/64\n203.0.113.200\n",
		Address: actor, Label: "Sandgrouse", Source: "CERT", Confidence: 90,
		Hosts: []string{zurich1, newYork}, Companies: []string{"acme", "globex"}, Ports: []string{"tcp/22", "tcp/8443", "udp/53"},
		Systems: []string{victim, "10.10.3.8", "10.40.0.12"}, First: b.end(-500), Last: b.end(-33),
	}
	slices.Sort(a.Hosts)
	count := func(c *conversation) {
		a.Attempts += c.attempts
		if c.answered.packets == 0 {
			a.Unanswered += c.attempts
			return
		}
		a.Rejected += c.rejects
		a.Accepted += c.attempts - c.rejects
	}
	for number := -500; number <= -470; number += 10 { // a filter drops them before the network
		probing := conversation{source: actor, destination: "10.40.0.12", protocol: flow.TCP, port: 22, asked: amount{396, 6}, attempts: 6}
		b.add(number, &probing, at(newYork, wan, true))
		count(&probing)
	}
	refused := conversation{source: actor, destination: victim, protocol: flow.TCP, port: 22, asked: amount{264, 4}, answered: amount{216, 4}, attempts: 4, rejects: 4}
	b.add(-460, &refused, through(newYork, false, true, true))
	count(&refused)
	entered := conversation{source: actor, destination: victim, protocol: flow.TCP, port: 8443, asked: amount{40_000, 120}, answered: amount{2_500_000, 1_900}, attempts: 3}
	b.add(-450, &entered, through(newYork, false, true, true))
	count(&entered)
	calling := conversation{source: "10.10.3.8", destination: actor, protocol: flow.UDP, port: 53, asked: amount{5_000, 50}, answered: amount{9_000, 50}, attempts: 5}
	b.add(-33, &calling, through(zurich1, true, true, true))
	count(&calling)
}

// plantComposition adds a flood of an old interval, then looks at what the interface had then.
func (b *builder) plantComposition(a *Composition) {
	number := -(b.intervals*3/4 + 5)
	*a = Composition{Host: berlin, Iface: wan, At: b.end(number)}
	for i := 1; i <= 40; i++ {
		flood := conversation{source: "10.20.7.1", destination: fmt.Sprintf("203.0.113.%d", 100+i), protocol: flow.UDP, port: 123,
			asked: amount{3_600, 40}, answered: amount{1_900_000, 4_000}, attempts: 1}
		b.add(number, &flood, through(berlin, true, true, true))
	}
	bytes := map[string]uint64{}
	for key, c := range b.rows[point{berlin, wan}][number] {
		bytes[fmt.Sprintf("%s/%d", key.Protocol, key.DestinationPort)] += c.Bytes()
	}
	for service, n := range bytes {
		a.Services = append(a.Services, Part{service, n})
	}
	slices.SortFunc(a.Services, func(a, b Part) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Service, b.Service)) })
}
