package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// Unfinished is an interval that a killed probe did not bring to the store, up to its last checkpoint.
type Unfinished struct {
	Interface string
	// Interval carries the boot id and the sequence of the run that counted. Its End is what an orderly stop at
	// the last checkpoint would have given, or the nominal one where the interval was over.
	Interval flow.Interval
	Records  []flow.Record // ordered by flow.Key.Compare, each key once, none without counters; the receiver's to keep
	Torn     bool          // the file had bytes behind the last checkpoint, of one that was not completed
	// Open is what the conversations leave open, one behind the other, At and Clock when that was: State's.
	Open      []byte
	At, Clock int64
}

// IsEmpty says that nothing was counted: the log was made for what it leaves open.
func (u *Unfinished) IsEmpty() bool {
	return len(u.Records) == 0 && u.Interval.Accounting == flow.Accounting{}
}

// Recover hands every interval of which dir holds a checkpoint to take, ordered by interface, run and sequence, and
// removes the file when take returns nil; the order makes no difference to a store, and a crash in between only
// makes the same interval come again. A directory that is absent holds nothing. Files that cannot be read stay and
// are named in the error, after all others were handled; an error of take leaves its file, too.
func Recover(files vfs.FS, dir string, take func(Unfinished) error) error {
	return recoverFiles(files, dir, "", take)
}

// RecoverInterface is Recover for the logs of one interface, of which none may be in use.
func RecoverInterface(files vfs.FS, dir, iface string, take func(Unfinished) error) error {
	return recoverFiles(files, dir, escape(iface)+".", take)
}

func recoverFiles(files vfs.FS, dir, prefix string, take func(Unfinished) error) error {
	entries, err := files.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for checkpoints: %w", err)
	}
	var failed []error
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case !strings.HasPrefix(entry.Name(), prefix):
		case strings.HasSuffix(path, suffix+temporary):
			failed = append(failed, remove(files, path))
		case strings.HasSuffix(path, suffix):
			failed = append(failed, recoverFile(files, path, take))
		}
	}
	return errors.Join(failed...)
}

func recoverFile(files vfs.FS, path string, take func(Unfinished) error) error {
	c, err := readFile(files, path)
	if err != nil {
		return fmt.Errorf("recover checkpoint %s: %w", path, err)
	}
	if c.commits > 0 {
		if err := take(c.unfinished()); err != nil {
			return fmt.Errorf("recover checkpoint %s: %w", path, err)
		}
	}
	return remove(files, path)
}

func readFile(files vfs.FS, path string) (*contents, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return read(io.NewSectionReader(f, 0, size))
}

// unfinished puts the last sums together.
func (c *contents) unfinished() Unfinished {
	u := Unfinished{Interface: c.head.Interface, Torn: c.torn, At: c.state.At, Clock: c.state.Clock}
	u.Interval = flow.Interval{End: ceilSeconds(c.state.At), Duration: c.state.Duration,
		Boot: c.head.Boot, Sequence: c.head.Sequence, Accounting: c.state.Accounting}
	if c.sealed {
		u.Interval.End, u.Interval.Duration = c.end, c.duration
	}
	byKey := make(map[flow.Key]flow.Counters, len(c.sums))
	for _, id := range slices.Sorted(maps.Keys(c.sums)) {
		s := c.sums[id]
		u.Open = append(u.Open, s.open...)
		if !s.record.Counters.IsZero() {
			total := byKey[s.record.Key]
			total.Add(s.record.Counters)
			byKey[s.record.Key] = total
		}
	}
	u.Records = make([]flow.Record, 0, len(byKey))
	for key, sum := range byKey {
		u.Records = append(u.Records, flow.Record{Key: key, Counters: sum})
	}
	slices.SortFunc(u.Records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return u
}

// ceilSeconds is the first full Unix second not before t, in Unix nanoseconds.
func ceilSeconds(t int64) int64 {
	s := t / 1e9
	if s*1e9 < t {
		s++
	}
	return s
}
