package godb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirflow/weir/probe/vfs"
)

// Config says where the database is.
type Config struct {
	// Path is the database's root: the directory that holds one directory per interface.
	Path string
}

// Deps are what the reader needs from outside.
type Deps struct {
	FS     vfs.FS       // nil: the machine's
	Logger *slog.Logger // nil: none
	// Damaged is called for all that is found damaged or salvaged, as it is found, by the goroutine that scans. The
	// statistics of a scan name only the first of it. nil: nobody is told.
	Damaged func(Damage)
}

// DB is a goProbe database. It holds no files open between calls and is safe for concurrent use, also while goProbe
// writes.
type DB struct {
	root    string
	files   vfs.FS
	log     *slog.Logger
	damaged func(Damage)
}

// ErrNoDatabase says that a directory holds nothing that looks like a goProbe database.
var ErrNoDatabase = errors.New("not a goProbe database: no directory INTERFACE/YEAR/MONTH/DAY in it")

// Open opens a database for reading. The error is ErrNoDatabase where the directory holds no day of any interface,
// or that of reading the directory.
func Open(cfg Config, deps Deps) (*DB, error) {
	db := &DB{root: cfg.Path, files: deps.FS, log: deps.Logger, damaged: deps.Damaged}
	if db.files == nil {
		db.files = vfs.OS{}
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Path == "" {
		return nil, errors.New("open goProbe database: no path given")
	}
	names, err := db.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("open goProbe database: %w", err)
	}
	for _, name := range names {
		if days, _, err := db.days(name); err == nil && len(days) > 0 {
			return db, nil
		}
	}
	return nil, fmt.Errorf("open %s: %w", cfg.Path, ErrNoDatabase)
}

// Interfaces lists the directories that have a year in them, sorted by name. What merging tools leave behind (names
// that begin with a dot) and lost+found are no interfaces.
func (db *DB) Interfaces() ([]string, error) {
	entries, err := db.files.ReadDir(db.root)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == "lost+found" {
			continue
		}
		years, err := db.directories(e.Name(), isYear)
		if err != nil {
			db.log.Warn("list years", "interface", e.Name(), "error", err)
		}
		if err != nil || len(years) > 0 { // one that cannot be listed is known, and its scan says why it is empty
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

const hostIDSize = 32

// HostID is the host's identity where goProbe kept one beside the interfaces: 32 hexadecimal digits. Most databases
// have none, as the machine's own id is used; then it is empty.
func (db *DB) HostID() string {
	f, err := db.files.Open(filepath.Join(db.root, "host.id"))
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, hostIDSize+2)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	id := strings.TrimSpace(string(b[:n]))
	if len(id) != hostIDSize || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// knownInterface guards against names that are paths.
func knownInterface(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\\x00")
}

// cause is an error without the path that stands beside it anyway.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + ": " + path.Err.Error()
	}
	return err.Error()
}
