package meter

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirflow/weir/probe/table"
)

// Config says how an interface is metered.
type Config struct {
	// Interval is the length of an interval, whole seconds. Intervals end at its multiples in Unix time.
	Interval time.Duration `yaml:"interval"`
	// Checkpoint is the time between checkpoints: what a kill or a power loss may cost; 0 for none.
	Checkpoint time.Duration `yaml:"checkpoint"`
	// CheckpointRate bounds what checkpoints write, in bytes per second; where they need more they come less
	// often, and Status says how often.
	CheckpointRate int `yaml:"checkpoint_rate"`
	// WaitingRows bounds the rows that wait in memory, about 112 bytes each, while the store takes none. Beyond
	// it the oldest intervals are reduced to sums by family and protocol.
	WaitingRows int `yaml:"waiting_rows"`
	// Table bounds the flow table.
	Table table.Config `yaml:"table"`

	// VLAN says what becomes of frames in VLANs.
	VLAN VLAN `yaml:"-"`
	// Tunnels says whether what tunnels carry is metered, too.
	Tunnels Tunnels `yaml:"-"`
	// Derived bounds the number of derived interfaces, those of VLANs and those of tunnels each; what is beyond
	// goes to one for the rest.
	Derived int `yaml:"-"`

	// Worker and Workers say which of the interface's workers this is: they share its frames. 0 and 0 or 1: there is
	// only this one.
	Worker, Workers int `yaml:"-"`
	// Interface is the name the intervals are stored under.
	Interface string `yaml:"-"`
	// CheckpointDir is where checkpoints are kept, one file for each unfinished interval.
	CheckpointDir string `yaml:"-"`
	// Trace says that the source is a trace: the time is that of its frames, and there are no checkpoints.
	Trace bool `yaml:"-"`
}

// VLANMode says what becomes of frames in VLANs.
type VLANMode string

// The modes; the empty one is VLANIgnore.
const (
	VLANIgnore VLANMode = "ignore" // VLANs make no difference
	VLANSplit  VLANMode = "split"  // each VLAN is an interface of its own, named eth0.100 by its outermost id
	VLANOnly   VLANMode = "only"   // as split, for the VLANs that are listed; all other frames are filtered
)

// VLAN says what becomes of frames in VLANs.
type VLAN struct {
	Mode VLANMode
	IDs  []uint16 // of VLANOnly
}

// Validate says what is wrong.
func (v VLAN) Validate() error {
	switch v.Mode {
	case "", VLANIgnore, VLANSplit:
		if len(v.IDs) > 0 {
			return fmt.Errorf("vlan ids are listed, and the mode is not %s", VLANOnly)
		}
	case VLANOnly:
		if len(v.IDs) == 0 {
			return fmt.Errorf("vlan mode %s lists no vlan ids", VLANOnly)
		}
	default:
		return fmt.Errorf("vlan mode %q is neither %s, %s nor %s", string(v.Mode), VLANIgnore, VLANSplit, VLANOnly)
	}
	for _, id := range v.IDs {
		if id == 0 || id >= maxVLAN {
			return fmt.Errorf("vlan id %d: it must be between 1 and %d", id, maxVLAN-1)
		}
	}
	return nil
}

// Tunnels says whether what tunnels carry is metered.
type Tunnels string

// What may be said; the empty one is TunnelsOuter.
const (
	TunnelsOuter Tunnels = "outer" // the flow of the tunnel alone
	TunnelsBoth  Tunnels = "both"  // what it carries, too, on derived interfaces such as eth0~vxlan.42
)

// Validate says what is wrong.
func (t Tunnels) Validate() error {
	switch t {
	case "", TunnelsOuter, TunnelsBoth:
		return nil
	}
	return fmt.Errorf("tunnels %q is neither %s nor %s", string(t), TunnelsOuter, TunnelsBoth)
}

// DefaultDerived is the default of Derived.
const DefaultDerived = 64

// part is what the names of a worker's files have in them.
func (c *Config) part() string {
	if c.Workers < 2 {
		return ""
	}
	return fmt.Sprintf(".%dof%d", c.Worker, c.Workers)
}

// The bounds of an interval.
const (
	MinInterval = time.Second
	MaxInterval = 24 * time.Hour
)

// DefaultConfig returns the defaults; Interface and CheckpointDir have none.
func DefaultConfig() Config {
	return Config{Interval: 5 * time.Minute, Checkpoint: 10 * time.Second, CheckpointRate: 128 << 10,
		WaitingRows: 1 << 20, Table: table.DefaultConfig(), VLAN: VLAN{Mode: VLANIgnore}, Tunnels: TunnelsOuter, Derived: DefaultDerived}
}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, values ...any) { faults = append(faults, fmt.Errorf(format, values...)) }
	if c.Interval < MinInterval || c.Interval > MaxInterval || c.Interval%time.Second != 0 {
		fault("interval is %v: it must be whole seconds between %v and %v", c.Interval, MinInterval, MaxInterval)
	}
	if c.Checkpoint < 0 || c.Checkpoint > 0 && c.Checkpoint < time.Second {
		fault("checkpoint is %v: it must be at least 1s, or 0 for none", c.Checkpoint)
	}
	if c.CheckpointRate < 1024 {
		fault("checkpoint_rate is %d: it must be at least 1024 bytes per second", c.CheckpointRate)
	}
	if c.WaitingRows < 0 {
		fault("waiting_rows is %d: it must not be negative", c.WaitingRows)
	}
	if err := c.Table.Validate(); err != nil {
		fault("table: %w", err)
	}
	if err := errors.Join(c.VLAN.Validate(), c.Tunnels.Validate()); err != nil {
		faults = append(faults, err)
	}
	if c.Derived < 0 || c.Derived > maxVLAN {
		fault("derived is %d: it must be between 0 and %d", c.Derived, maxVLAN)
	}
	return errors.Join(faults...)
}
