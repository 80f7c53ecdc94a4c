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

	// Interface is the name the intervals are stored under.
	Interface string `yaml:"-"`
	// CheckpointDir is where checkpoints are kept, one file for each unfinished interval.
	CheckpointDir string `yaml:"-"`
	// Trace says that the source is a trace: the time is that of its frames, and there are no checkpoints.
	Trace bool `yaml:"-"`
}

// The bounds of an interval.
const (
	MinInterval = time.Second
	MaxInterval = 24 * time.Hour
)

// DefaultConfig returns the defaults; Interface and CheckpointDir have none.
func DefaultConfig() Config {
	return Config{Interval: 5 * time.Minute, Checkpoint: 10 * time.Second, CheckpointRate: 128 << 10,
		WaitingRows: 1 << 20, Table: table.DefaultConfig()}
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
	return errors.Join(faults...)
}
