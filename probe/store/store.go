package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// Config says where the store is and what it is opened for.
type Config struct {
	// Path is the store's root directory. A writer makes it if it is absent.
	Path string
	// ReadOnly opens an existing store without lock; Append is refused.
	ReadOnly bool
	// Retention is what Run and Prune keep.
	Retention Retention
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Path: "/var/lib/weir", Retention: DefaultRetention()} }

// Deps are what the store needs from outside.
type Deps struct {
	FS     vfs.FS       // nil: the machine's
	Logger *slog.Logger // nil: none
	// Now is the wall clock, which says what the current day is; nil: time.Now.
	Now func() time.Time
}

// Store is an open store. All methods are safe for concurrent use. Appends to different interfaces run side by
// side, those to one interface one after the other.
type Store struct {
	root   string
	files  vfs.FS
	log    *slog.Logger
	hostID string
	lock   io.Closer // nil: read only

	retention Retention
	now       func() time.Time
	readers   *readerCache

	closed    atomic.Bool
	loaders   atomic.Int64 // that are at work
	outdated  atomic.Bool  // the identity says an earlier version
	mu        sync.Mutex
	appenders map[string]*appender

	// maintenance is held for reading, together with the appender's upkeep, by what rearranges files of one interface,
	// compaction and loading; for writing by what deletes days of all.
	maintenance sync.RWMutex
	// pruning is held for writing while days are deleted, for reading while a block is appended.
	pruning sync.RWMutex

	written writeCounters
	kept    keepCounters
	disk    diskState
}

// WriteStats counts what a writer did since Open.
type WriteStats struct {
	Blocks, Rows, Bytes uint64 // appended
	Replays             uint64 // blocks not appended because they were there
	Failures            uint64 // appends that returned an error
	BytesTruncated      uint64 // torn ends of files, cut off
}

type writeCounters struct{ blocks, rows, bytes, replays, failures, truncated atomic.Uint64 }

// ErrReadOnly is what Append returns for a store opened with ReadOnly.
var ErrReadOnly = errors.New("store is open for reading only")

var errClosed = errors.New("store is closed")

// Open opens a store. A writer makes the directory and the identity if they are absent, takes the lock, and cuts
// off what a crash left torn at the ends of the newest logs; a second writer gets an error that names the pid of
// the first (errors.As *vfs.LockedError). A reader needs a store that exists.
func Open(cfg Config, deps Deps) (*Store, error) {
	if cfg.Path == "" {
		return nil, errors.New("open store: no path given")
	}
	if err := cfg.Retention.Validate(); err != nil {
		return nil, fmt.Errorf("open store %s: retention: %w", cfg.Path, err)
	}
	s := newStore(cfg, deps)
	open := s.openWriter
	if cfg.ReadOnly {
		open = s.openReader
	}
	if err := open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", cfg.Path, err)
	}
	return s, nil
}

func newStore(cfg Config, deps Deps) *Store {
	s := &Store{root: cfg.Path, files: deps.FS, log: deps.Logger, retention: cfg.Retention, now: deps.Now,
		appenders: map[string]*appender{}, readers: newReaderCache()}
	if s.files == nil {
		s.files = vfs.OS{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.disk.wake = make(chan struct{}, 1)
	return s
}

func (s *Store) openReader() (err error) {
	_, s.hostID, err = readIdentity(s.files, s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no store here: %w", err)
	}
	return err
}

func (s *Store) openWriter() (err error) {
	if err := s.makeRoot(); err != nil {
		return err
	}
	holder := fmt.Sprintf("pid %d", os.Getpid())
	if s.lock, err = s.files.Lock(filepath.Join(s.root, lockFile), fileMode, holder); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.lock.Close())
		}
	}()
	version, hostID, err := readIdentity(s.files, s.root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hostID, err = createIdentity(s.files, s.root)
	case err == nil && version < StoreVersion:
		// On a full disk the store works as it is; nothing is compacted before this is done.
		if err = writeIdentity(s.files, s.root, hostID); isFull(err) {
			s.outdated.Store(true)
			err = nil
		}
	}
	if err != nil {
		return err
	}
	s.hostID = hostID
	if err := s.files.MkdirAll(s.interfacesPath(), dirMode); err != nil {
		return err
	}
	if err := s.files.SyncDir(s.root); err != nil {
		return err
	}
	if err := s.finishPruning(); err != nil {
		return err
	}
	return s.recoverNewest()
}

// makeRoot makes the store's directory, durably, with all that is missing above it.
func (s *Store) makeRoot() error {
	var parents []string // of what is missing, innermost first
	for path := filepath.Clean(s.root); filepath.Dir(path) != path; path = filepath.Dir(path) {
		if _, err := s.files.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		parents = append(parents, filepath.Dir(path))
	}
	if err := s.files.MkdirAll(s.root, dirMode); err != nil {
		return err
	}
	slices.Reverse(parents)
	return s.syncDirs(parents...)
}

// syncDirs makes the names in directories durable, outermost first.
func (s *Store) syncDirs(names ...string) error {
	for _, name := range names {
		if err := s.files.SyncDir(name); err != nil {
			return err
		}
	}
	return nil
}

// recoverLogs is how many logs of an interface are looked at when the store is opened: today's, and late data. The
// others, of a store that was not compacted yet or of older late data, are when they are compacted or appended to.
const recoverLogs = 3

// recoverNewest cuts off torn ends. A log that cannot be recovered stops its interface, not the store.
func (s *Store) recoverNewest() error {
	names, err := s.Interfaces()
	if err != nil {
		return err
	}
	for _, name := range names {
		days, err := s.logDays(name)
		for _, d := range days[max(len(days)-recoverLogs, 0):] {
			err = errors.Join(err, s.settle(name, d))
		}
		if err != nil {
			s.log.Error("recover store", "interface", name, "error", err)
		}
	}
	return nil
}

// settle cuts off what a crash left torn at the end of a log, and makes the rest durable.
func (s *Store) settle(iface string, d day) error {
	a := s.appender(iface)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil && a.day == d {
		return nil
	}
	dir, err := s.interfacePath(iface)
	if err != nil {
		return err
	}
	f, _, err := a.openLog(filepath.Join(dir, d.fileName()), d)
	if err != nil {
		return err
	}
	return errors.Join(s.syncDirs(s.interfacesPath(), dir), f.Close())
}

// Close releases the lock. Appends, and segments that are being made, end first; later ones fail.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, a := range s.appenders {
		a.mu.Lock()
		errs = append(errs, a.close())
		a.mu.Unlock()
	}
	s.readers.close()
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// HostID is the host's UUID, made when the store was.
func (s *Store) HostID() string { return s.hostID }

// WriteStats returns what was written since Open.
func (s *Store) WriteStats() WriteStats {
	w := &s.written
	return WriteStats{Blocks: w.blocks.Load(), Rows: w.rows.Load(), Bytes: w.bytes.Load(), Replays: w.replays.Load(),
		Failures: w.failures.Load(), BytesTruncated: w.truncated.Load()}
}

// Append writes the block of one interval and returns when it is durable. Records may be in any order, and a key
// may occur more than once; they are not changed and not kept. A block whose boot and sequence are there already
// is a replay: nothing is written, and nil returned. After an error nothing of the block is in the store, and the
// same block can be appended again. The context is looked at before the work starts, not during it.
func (s *Store) Append(ctx context.Context, iface string, interval flow.Interval, records []flow.Record) error {
	err := ctx.Err()
	if err == nil {
		err = s.append(iface, interval, records)
	}
	s.disk.note(s, err)
	if err != nil {
		s.written.failures.Add(1)
		return fmt.Errorf("append interval %d of %s to store: %w", interval.End, iface, err)
	}
	return nil
}

func (s *Store) append(iface string, interval flow.Interval, records []flow.Record) error {
	if s.lock == nil {
		return ErrReadOnly
	}
	if _, err := encodeName(iface); err != nil {
		return err
	}
	if err := checkRecords(records); err != nil {
		return err
	}
	s.pruning.RLock()
	defer s.pruning.RUnlock()
	a := s.appender(iface)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.append(interval, records)
}

// maintain takes the locks under which files of an interface are rearranged, and returns how to release them.
func (s *Store) maintain(iface string) (release func()) {
	a := s.appender(iface)
	s.maintenance.RLock()
	a.upkeep.Lock()
	return func() {
		a.upkeep.Unlock()
		s.maintenance.RUnlock()
	}
}

// appender returns the one appender of an interface.
func (s *Store) appender(iface string) *appender {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.appenders[iface]
	if a == nil {
		a = &appender{store: s, iface: iface}
		s.appenders[iface] = a
	}
	return a
}

// Interfaces lists the interfaces that have a directory, sorted by name.
func (s *Store) Interfaces() ([]string, error) {
	entries, err := s.files.ReadDir(s.interfacesPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list interfaces of store: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := decodeName(e.Name()); ok && e.IsDir() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (s *Store) interfacesPath() string { return filepath.Join(s.root, interfacesDir) }

// interfacePath is the directory of an interface, whose name is valid.
func (s *Store) interfacePath(iface string) (string, error) {
	dir, err := encodeName(iface)
	return filepath.Join(s.interfacesPath(), dir), err
}

// logDays lists the days an interface has logs of, ascending; what is foreign is none.
func (s *Store) logDays(iface string) ([]day, error) {
	files, err := s.listFiles(iface, 0, endOfTime)
	if err != nil {
		return nil, err
	}
	var days []day
	for _, f := range files {
		if !f.segment && !f.foreign {
			days = append(days, f.day)
		}
	}
	return days, nil
}
