package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/natshttp"
)

// NATSDiscovery lists the hosts that announce themselves over NATS, through the connection of Config.NATS.
type NATSDiscovery struct {
	// Site of the hosts; empty: all that can be heard.
	Site string `yaml:"site"`
	// Auth names the credentials to show; empty: those that are meant for the address, which is HOST.SITE.
	Auth string `yaml:"auth"`
	// Labels for hosts that do not say them themselves.
	Labels map[string]string `yaml:"labels"`
	// Remember is how long a host stays listed that stopped announcing itself without leave; 0: a day.
	Remember time.Duration `yaml:"remember"`
}

// validateNATS says what is wrong about NATS and the cache.
func (c Config) validateNATS() (faults []error) {
	for _, err := range []error{c.NATS.Validate(), c.NATSServer.Validate(), c.Cache.Validate()} {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if c.NATS.Enabled() && c.NATSServer.Enabled() {
		faults = append(faults, errors.New("nats and nats_server exclude each other: the gateway asks through the server that it runs"))
	}
	if c.NATS.Site != "" {
		faults = append(faults, errors.New("nats.site is for probes: a gateway names the site in inventory.nats"))
	}
	sites := make(map[string]bool)
	for i, d := range c.Inventory.NATS {
		if d.Remember < 0 || sites[d.Site] {
			faults = append(faults, fmt.Errorf("inventory.nats[%d]: remember must not be negative, and each site may stand there once", i))
		}
		sites[d.Site] = true
	}
	return faults
}

// Discoveries are the sources of the inventory that a connection to NATS servers gives. They have to be run.
func (c Config) Discoveries(link *natshttp.Link) (run []*natshttp.Discovery, sources []inventory.Watched) {
	for _, d := range c.Inventory.NATS {
		one := natshttp.NewDiscovery(natshttp.DiscoveryConfig{Site: d.Site, Auth: d.Auth, Labels: d.Labels, Remember: d.Remember, MaxHosts: c.Inventory.MaxHosts}, link, nil)
		run = append(run, one)
		sources = append(sources, inventory.Watched{Source: one, Every: natsRefresh})
	}
	return run, sources
}

// natsRefresh is how often the health of a discovery is looked at; changes are told at once.
const natsRefresh = 10 * time.Second
