package meter

import (
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
)

// keeper writes the checkpoints, in a goroutine of its own. A log is made with the first checkpoint of an interval
// and removed once the interval is stored; logs of intervals that are not stored when the meter ends stay for
// checkpoint.Recover.
type keeper struct {
	meter *Meter
	wake  chan struct{}
	logs  map[uint64]*checkpoint.Log // by sequence; of the goroutine

	mu     sync.Mutex
	jobs   []func()
	busy   bool // a checkpoint is queued or being written
	all    bool // the last one failed: the next one has to hold everything
	period time.Duration
	last   time.Time
	bytes  uint64
	failed uint64
	err    error
}

func newKeeper(m *Meter) *keeper {
	return &keeper{meter: m, wake: make(chan struct{}, 1), logs: map[uint64]*checkpoint.Log{}, period: m.cfg.Checkpoint}
}

// run does the jobs until the writer has ended, then what is left of them.
func (k *keeper) run() {
	for {
		select {
		case <-k.wake:
		case <-k.meter.writer.done:
			k.work()
			k.end()
			return
		}
		k.work()
	}
}

func (k *keeper) work() {
	k.mu.Lock()
	jobs := k.jobs
	k.jobs = nil
	k.mu.Unlock()
	for _, job := range jobs {
		job()
	}
}

// end leaves the logs of what is not stored.
func (k *keeper) end() {
	for _, l := range k.logs {
		if err := l.Close(); err != nil {
			k.meter.log.Warn("checkpoint was not closed cleanly", "error", err)
		}
	}
}

// add queues a job; it never waits. k.mu is held.
func (k *keeper) add(job func()) {
	k.jobs = append(k.jobs, job)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// next says how long after the last checkpoint the next one is due, and whether one is still being written.
func (k *keeper) next() (period time.Duration, busy bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.period, k.busy
}

func (k *keeper) wantsAll() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all
}

// save writes a checkpoint.
func (k *keeper) save(head checkpoint.Head, state checkpoint.State, picture *table.Picture) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = true
	k.add(func() {
		n, err := k.write(head, state, picture)
		k.saved(n, err)
	})
}

func (k *keeper) write(head checkpoint.Head, state checkpoint.State, picture *table.Picture) (int, error) {
	l := k.logs[head.Sequence]
	if l == nil {
		var err error
		if l, err = checkpoint.Create(k.meter.deps.Files, k.meter.cfg.CheckpointDir, head); err != nil {
			return 0, err
		}
		k.logs[head.Sequence] = l
	}
	return l.Append(state, func(yield func(uint32, flow.Record) bool) {
		for c := range picture.All {
			if !yield(c.ID, flow.Record{Key: c.Key, Counters: c.Counters}) {
				return
			}
		}
	})
}

// saved notes the outcome, and how long to wait so that the rate is held.
func (k *keeper) saved(n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy, k.all = false, err != nil
	if err != nil {
		k.failed++
		if k.err == nil {
			k.meter.log.Error("checkpoint failed", "error", err)
		}
		k.err = err
		return
	}
	if k.err != nil {
		k.meter.log.Info("checkpoints work again")
	}
	k.err, k.last = nil, k.meter.deps.Now()
	k.bytes += uint64(n)
	k.period = max(k.meter.cfg.Checkpoint, time.Duration(float64(n)/float64(k.meter.cfg.CheckpointRate)*float64(time.Second)))
}

// seal notes that an interval is over; the next one starts a log of its own.
func (k *keeper) seal(interval flow.Interval) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = false
	k.add(func() {
		if l := k.logs[interval.Sequence]; l != nil {
			if err := l.Seal(interval.End, interval.Duration); err != nil {
				k.meter.log.Warn("checkpoint of a finished interval stays open", "error", err)
			}
		}
	})
}

// drop removes the log of an interval that is stored.
func (k *keeper) drop(sequence uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(func() {
		if l := k.logs[sequence]; l != nil {
			delete(k.logs, sequence)
			if err := l.Remove(); err != nil {
				k.meter.log.Warn("checkpoint of a stored interval stays", "error", err)
			}
		}
	})
}

func (k *keeper) status() CheckpointStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := CheckpointStatus{Last: k.last, Period: k.period, Bytes: k.bytes, Failures: k.failed}
	if k.err != nil {
		s.Error = k.err.Error()
	}
	return s
}
