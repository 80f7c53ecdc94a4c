package godb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/weirflow/weir/probe/vfs"
)

// maxRenames bounds how often a directory is looked for again that was renamed under the reader's eyes.
const maxRenames = 8

// openDay is a day's directory with its files open. A rename of the directory does them no harm, nor do blocks that
// are appended: the metadata that was read does not know them.
type openDay struct {
	ref   dayRef
	meta  meta
	files [columnCount]vfs.File // nil: there is none
	sizes [columnCount]int64
	fault [columnCount]error // why there is no file
}

func (d *openDay) close() {
	for _, f := range d.files {
		if f != nil {
			f.Close()
		}
	}
}

// taken is where the blocks of a column end, as far as they are known.
func (d *openDay) taken(c int) int64 {
	last := &d.meta.blocks[len(d.meta.blocks)-1].columns[c]
	return max(last.offset+int64(last.stored), d.meta.ends[c])
}

// file is the path of a column's file from the database's root.
func (d *openDay) file(column int) string {
	return filepath.Join(d.ref.path(), columnNames[column]+".gpf")
}

// open opens a day, under its new name if it is renamed meanwhile; known are the directories of the same day. The
// error wraps fs.ErrNotExist if there is no metadata.
func (db *DB) open(ref dayRef, known []dayRef) (*openDay, error) {
	for attempt := 1; ; attempt++ {
		d, err := db.tryOpen(ref)
		if err == nil && d.complete() || err != nil && !errors.Is(err, fs.ErrNotExist) || attempt == maxRenames {
			return d, err
		}
		next, ok := db.renamed(ref, known)
		if !ok {
			return d, err
		}
		if d != nil {
			d.close()
		}
		ref = next
	}
}

func (db *DB) tryOpen(ref dayRef) (*openDay, error) {
	b, err := db.readMeta(ref, maxMetaSize+1)
	if err != nil {
		return &openDay{ref: ref}, err
	}
	d := &openDay{ref: ref}
	if d.meta, err = parseMeta(b); err != nil {
		return d, err
	}
	for c := range columnCount {
		d.files[c], d.sizes[c], d.fault[c] = db.openFile(d.file(c))
	}
	return d, nil
}

// complete says that there is a file for each column that has data.
func (d *openDay) complete() bool {
	for c, err := range d.fault {
		if errors.Is(err, fs.ErrNotExist) && d.meta.ends[c] > 0 {
			return false
		}
	}
	return true
}

// openFile opens a regular file, path being from the root.
func (db *DB) openFile(path string) (vfs.File, int64, error) {
	name := filepath.Join(db.root, path)
	info, err := db.files.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, 0, fmt.Errorf("%s: not a file", path)
	}
	f, err := db.files.Open(name)
	if err != nil {
		return nil, 0, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// readMeta reads the first bytes of a day's metadata, at most limit.
func (db *DB) readMeta(ref dayRef, limit int64) ([]byte, error) {
	f, size, err := db.openFile(filepath.Join(ref.path(), metaName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, min(size, limit))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

// span returns start of the first and end of the last block of a day, in Unix seconds; false without blocks.
func (m *meta) span() (first, last int64, ok bool) {
	for i := range m.blocks {
		end := m.blocks[i].end
		if !ok {
			first, last, ok = end, end, true
		}
		first, last = min(first, end), max(last, end)
	}
	return first - nominalSeconds, last, ok
}
