package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/meter"
)

// InterfaceSettings are how one interface is captured. What is zero is as the configuration says for it.
type InterfaceSettings struct {
	Promiscuous       bool
	BlockSize, Blocks int
	Fanout            int
	VLAN              meter.VLANMode
	VLANs             []uint16
	Tunnels           meter.Tunnels
	Filter            string               // see capture.LiveConfig
	BPF               []bpf.RawInstruction // the same as a program
	Untagged          bool                 // frames in a VLAN are left out, too
}

// filter is the filter of the frames that are metered.
func (c InterfaceSettings) filter() string {
	switch {
	case !c.Untagged:
		return c.Filter
	case c.Filter == "":
		return "not vlan"
	}
	return "(" + c.Filter + ") and not vlan"
}

// Validate says everything that is wrong.
func (c InterfaceSettings) Validate() error {
	var faults []error
	filter := capture.LiveConfig{Filter: c.filter(), BPF: c.BPF}
	if err := filter.ValidateFilter(); err != nil {
		faults = append(faults, err)
	}
	if c.Fanout < 1 || c.Fanout > maxFanout {
		faults = append(faults, fmt.Errorf("fanout is %d: it must be between 1 and %d", c.Fanout, maxFanout))
	}
	return errors.Join(append(faults, meter.VLAN{Mode: c.VLAN, IDs: c.VLANs}.Validate(), c.Tunnels.Validate())...)
}

func (c InterfaceSettings) equal(o InterfaceSettings) bool {
	return slices.Equal(c.VLANs, o.VLANs) && c.Filter == o.Filter && slices.Equal(c.BPF, o.BPF) && c.Promiscuous == o.Promiscuous && c.BlockSize == o.BlockSize &&
		c.Blocks == o.Blocks && c.Fanout == o.Fanout && c.VLAN == o.VLAN && c.Tunnels == o.Tunnels && c.Untagged == o.Untagged
}

// completed has what is zero as of.
func (c InterfaceSettings) completed(of InterfaceSettings) InterfaceSettings {
	c.BlockSize, c.Blocks, c.Fanout = cmp.Or(c.BlockSize, of.BlockSize), cmp.Or(c.Blocks, of.Blocks), cmp.Or(c.Fanout, of.Fanout)
	if c.VLAN == "" {
		c.VLAN, c.VLANs = of.VLAN, of.VLANs
	}
	c.Tunnels, c.Filter = cmp.Or(c.Tunnels, of.Tunnels), cmp.Or(c.Filter, of.Filter)
	return c
}

// maxFanout bounds the workers of an interface.
const maxFanout = 64

// Settings are those of some interfaces where they differ from those of all. What is left out is as for all.
type Settings struct {
	// Interfaces the settings are for; forms as in capture.interfaces. Of several settings the first that fits counts.
	Interfaces []string `yaml:"interfaces"`
	// Promiscuous, see capture.promiscuous.
	Promiscuous *bool `yaml:"promiscuous"`
	// BlockSize, see capture.block_size.
	BlockSize *int `yaml:"block_size"`
	// Blocks, see capture.blocks.
	Blocks *int `yaml:"blocks"`
	// Fanout, see capture.fanout.
	Fanout *int `yaml:"fanout"`
	// VLAN, see capture.vlan.
	VLAN *meter.VLANMode `yaml:"vlan"`
	// VLANs, see capture.vlans.
	VLANs []uint16 `yaml:"vlans"`
	// Tunnels, see capture.tunnels.
	Tunnels *meter.Tunnels `yaml:"tunnels"`
	// Filter, see capture.filter.
	Filter *string `yaml:"filter"`
}

// common is what holds for all interfaces that have no settings of their own.
func (c *Capture) common() InterfaceSettings {
	return InterfaceSettings{Promiscuous: c.Promiscuous, BlockSize: c.BlockSize, Blocks: c.Blocks, Fanout: c.Fanout,
		VLAN: c.VLAN, VLANs: c.VLANs, Tunnels: c.Tunnels, Filter: c.Filter}
}

// of is how an interface is captured.
func (c *Capture) of(name string) InterfaceSettings {
	one := c.common()
	for i := range c.Settings {
		s := &c.Settings[i]
		if matched, _, err := capture.Match(s.Interfaces, nil, []string{name}); err == nil && len(matched) > 0 {
			return s.over(one)
		}
	}
	return one
}

// over puts the settings over those of all.
func (s *Settings) over(c InterfaceSettings) InterfaceSettings {
	replace(&c.Promiscuous, s.Promiscuous)
	replace(&c.BlockSize, s.BlockSize)
	replace(&c.Blocks, s.Blocks)
	replace(&c.Fanout, s.Fanout)
	replace(&c.Tunnels, s.Tunnels)
	replace(&c.Filter, s.Filter)
	if s.VLAN != nil || s.VLANs != nil {
		replace(&c.VLAN, s.VLAN)
		c.VLANs = s.VLANs
	}
	return c
}

func replace[T any](value, by *T) {
	if by != nil {
		*value = *by
	}
}

// validate says everything that is wrong with what is captured.
func (c *Capture) validate() error {
	var faults []error
	fault := func(at string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", at, err))
		}
	}
	_, _, err := capture.Match(c.Interfaces, c.Exclude, nil)
	fault("capture.interfaces", err)
	fault("capture", c.common().Validate())
	if c.Derived < 0 || c.Derived > maxDerived {
		fault("capture.derived", fmt.Errorf("%d is not between 0 and %d", c.Derived, maxDerived))
	}
	if c.Backend == capture.BackendSlimcap && (c.Fanout > 1 || c.Filter != "") {
		fault("capture.backend", fmt.Errorf("%s knows neither fanout nor filter", capture.BackendSlimcap))
	}
	if c.RingMemory < 1<<20 {
		fault("capture.ring_memory", fmt.Errorf("%d is less than 1 MiB", c.RingMemory))
	}
	for i := range c.Settings {
		s := &c.Settings[i]
		at := fmt.Sprintf("capture.settings[%d]", i)
		if len(s.Interfaces) == 0 {
			fault(at, errors.New("interfaces: names none"))
		}
		_, _, err := capture.Match(s.Interfaces, nil, nil)
		fault(at+".interfaces", err)
		fault(at, s.over(c.common()).Validate())
	}
	return errors.Join(faults...)
}

// leastBlocks are those of a ring when memory is short.
const leastBlocks = 4

// blocks is how many blocks the ring of an interface has, so that all rings together take no more memory than allowed.
func (c *Capture) blocks(of InterfaceSettings, all map[string]InterfaceSettings) int {
	total := int64(0)
	for _, one := range all {
		total += int64(one.BlockSize) * int64(one.Blocks) * int64(one.Fanout)
	}
	if total <= c.RingMemory {
		return of.Blocks
	}
	return min(of.Blocks, max(leastBlocks, int(int64(of.Blocks)*c.RingMemory/total)))
}

// maxDerived bounds the derived interfaces of a kind.
const maxDerived = 4094

// wanted is what is to be captured.
type wanted struct {
	capture Capture
	named   map[string]InterfaceSettings // replaces what capture says of interfaces; nil: it does not
}

// interfaces gives those of the existing interfaces that are to be captured, how, and the patterns that match none.
// Where the VLANs of an interface are split, the kernel's own interfaces for them are left out: their frames would
// count twice.
func (w *wanted) interfaces(existing []string) (all map[string]InterfaceSettings, unmatched []string, err error) {
	all = map[string]InterfaceSettings{}
	if w.named != nil {
		for name := range w.named {
			if all[name] = w.of(name); !slices.Contains(existing, name) {
				delete(all, name)
				unmatched = append(unmatched, name)
			}
		}
		return all, unmatched, nil
	}
	matched, unmatched, err := capture.Match(w.capture.Interfaces, w.capture.Exclude, existing)
	if err != nil {
		return nil, nil, fmt.Errorf("capture.interfaces: %w", err)
	}
	for _, name := range matched {
		all[name] = w.capture.of(name)
	}
	for name := range all {
		parent, _, derived := strings.Cut(name, ".")
		if of, ok := all[parent]; derived && ok && of.VLAN != meter.VLANIgnore && of.VLAN != "" {
			delete(all, name)
		}
	}
	return all, unmatched, nil
}

// of is how an interface is captured, if it is.
func (w *wanted) of(name string) InterfaceSettings {
	all := w.capture.of(name)
	if c, ok := w.named[name]; ok {
		return c.completed(all)
	}
	return all
}

// names says whether the configuration names an interface, other than by a pattern.
func (w *wanted) names(name string) bool {
	if w.named != nil {
		_, ok := w.named[name]
		return ok
	}
	return slices.Contains(w.capture.Interfaces, name)
}
