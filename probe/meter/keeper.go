package meter

import (
	"iter"
	"math"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
)

// keeper writes the checkpoints of all lanes, in a goroutine of its own. A log is made with the first checkpoint of an
// interval and removed once the interval is stored; logs of intervals that are not stored when the meter ends stay for
// checkpoint.Recover, and so do those of what the last interval left open.
type keeper struct {
	meter *Meter
	wake  chan struct{}
	logs  map[logName]*checkpoint.Log // of the goroutine

	mu      sync.Mutex
	jobs    []func()
	parts   int             // pictures among the jobs
	pending int             // checkpoints that are being made
	broken  map[string]bool // lanes whose last one failed: the next one has to hold everything
	wrote   int             // bytes of the checkpoints of this time
	period  time.Duration
	last    time.Time
	bytes   uint64
	failed  uint64
	err     error
}

// logName tells logs apart.
type logName struct {
	lane     string
	sequence uint64
}

// maxParts is how many parts of pictures, 32 KiB each, may wait for the disk before a pass waits.
const maxParts = 64

func newKeeper(m *Meter) *keeper {
	return &keeper{meter: m, wake: make(chan struct{}, 1), logs: map[logName]*checkpoint.Log{}, broken: map[string]bool{},
		period: m.cfg.Checkpoint}
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

// queue queues a job; it never waits. k.mu is held.
func (k *keeper) queue(job func()) {
	k.jobs = append(k.jobs, job)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// do queues a job; it never waits.
func (k *keeper) do(job func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue(job)
}

// next says how long after the last checkpoint the next one is due, and whether one is still being written.
func (k *keeper) next() (period time.Duration, busy bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.period, k.pending > 0
}

// behind says that the disk does not keep up.
func (k *keeper) behind() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.parts >= maxParts
}

func (k *keeper) wantsAll(lane string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.broken[lane]
}

// expect notes that a checkpoint of a lane is being made, which ends with commit or giveUp.
func (k *keeper) expect(lane string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.broken, lane)
	if k.pending++; k.pending == 1 {
		k.wrote = 0
	}
}

// add adds a part of a picture to a checkpoint.
func (k *keeper) add(head checkpoint.Head, picture *table.Picture) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.parts++
	k.queue(func() {
		err := k.write(head, picture.All)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.parts--
		k.fault(head.Interface, err)
	})
}

// commit completes a checkpoint.
func (k *keeper) commit(head checkpoint.Head, state checkpoint.State) {
	k.do(func() {
		n, err := k.complete(head, state)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.fault(head.Interface, err)
		k.ended(n)
	})
}

// giveUp ends a checkpoint that does not become complete: its interval ends.
func (k *keeper) giveUp(head checkpoint.Head) {
	k.do(func() {
		if l := k.logs[logName{head.Interface, head.Sequence}]; l != nil {
			l.GiveUp()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ended(0)
	})
}

// carry writes what an interval that has ended leaves open to the log of the next one.
func (k *keeper) carry(head checkpoint.Head, state checkpoint.State, ended *table.Picture) {
	k.do(func() {
		err := k.carryOpen(head, state, ended)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.fault(head.Interface, err)
	})
}

func (k *keeper) carryOpen(head checkpoint.Head, state checkpoint.State, ended *table.Picture) error {
	open := false
	err := k.write(head, func(yield func(*table.Conversation) bool) {
		for c := range ended.All {
			if len(c.Open) == 0 {
				continue
			}
			open = true
			c.Counters = flow.Counters{}
			if !yield(c) {
				return
			}
		}
	})
	if err == nil && open {
		_, err = k.complete(head, state)
	}
	return err
}

// write adds conversations to the log of an interval, unless the checkpoint has failed already.
func (k *keeper) write(head checkpoint.Head, conversations iter.Seq[*table.Conversation]) error {
	if k.wantsAll(head.Interface) {
		return nil
	}
	for c := range conversations {
		l, err := k.log(head)
		if err != nil {
			return err
		}
		if err := l.Add(&checkpoint.Conversation{ID: c.ID, Record: flow.Record{Key: c.Key, Counters: c.Counters}, Open: c.Open}); err != nil {
			return err
		}
	}
	return nil
}

// complete commits what was written, unless that has failed already.
func (k *keeper) complete(head checkpoint.Head, state checkpoint.State) (int, error) {
	if k.wantsAll(head.Interface) {
		return 0, nil
	}
	l, err := k.log(head)
	if err != nil {
		return 0, err
	}
	return l.Commit(state)
}

// log is that of an interval, which it makes if there is none.
func (k *keeper) log(head checkpoint.Head) (*checkpoint.Log, error) {
	name := logName{head.Interface, head.Sequence}
	if l := k.logs[name]; l != nil {
		return l, nil
	}
	l, err := checkpoint.Create(k.meter.deps.Files, k.meter.cfg.CheckpointDir, head)
	if err == nil {
		k.logs[name] = l
	}
	return l, err
}

// fault notes why a checkpoint failed, if it did. k.mu is held.
func (k *keeper) fault(lane string, err error) {
	if err == nil {
		return
	}
	k.broken[lane] = true
	k.failed++
	if k.err == nil {
		k.meter.log.Error("checkpoint failed", "lane", lane, "error", err)
	}
	k.err = err
}

// ended notes the end of a checkpoint of n bytes, and how long to wait so that the rate is held. k.mu is held.
func (k *keeper) ended(n int) {
	k.pending--
	k.wrote += n
	k.bytes += uint64(n)
	if n > 0 && len(k.broken) == 0 {
		if k.err != nil {
			k.meter.log.Info("checkpoints work again")
		}
		k.err, k.last = nil, k.meter.deps.Now()
	}
	k.period = max(k.meter.cfg.Checkpoint, time.Duration(math.Ceil(float64(k.wrote)/float64(k.meter.cfg.CheckpointRate)*float64(time.Second))))
}

// seal notes that an interval is over; the next one starts a log of its own.
func (k *keeper) seal(lane string, interval flow.Interval) {
	k.do(func() {
		k.mu.Lock()
		delete(k.broken, lane)
		k.mu.Unlock()
		if l := k.logs[logName{lane, interval.Sequence}]; l != nil {
			if err := l.Seal(interval.End, interval.Duration); err != nil {
				k.meter.log.Warn("checkpoint of a finished interval stays open", "error", err)
			}
		}
	})
}

// drop removes the log of an interval that is stored.
func (k *keeper) drop(lane string, sequence uint64) {
	k.do(func() {
		name := logName{lane, sequence}
		if l := k.logs[name]; l != nil {
			delete(k.logs, name)
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
