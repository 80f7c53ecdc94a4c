package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// daily compacts a day of an interface. The store's maintenance lock is held.
type daily struct {
	store  *Store
	iface  string
	day    day
	dir    string
	parts  dayParts
	last   int // greatest number of a part so far
	report *CompactReport

	settled bool
	empty   bool // there was no file
}

// load opens what there is of the day.
func (d *daily) load() (err error) {
	if d.dir, err = d.store.interfacePath(d.iface); err != nil {
		return err
	}
	for range listAttempts {
		d.store.closeDay(&d.parts)
		files, err := d.store.listFiles(d.iface, d.day, d.day)
		if err != nil {
			return err
		}
		for _, f := range files {
			d.last = max(d.last, f.number)
			if !f.segment && !f.foreign {
				d.settle()
			}
		}
		if d.empty = len(files) == 0; d.empty {
			return nil
		}
		if d.parts, err = d.store.openDay(d.iface, files); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.New("its files change all the time")
}

// prepare makes the directory of the interface if there is none, durably, and lists what there is of the day.
func (d *daily) prepare() error {
	dir, err := d.store.interfacePath(d.iface)
	if err != nil {
		return err
	}
	if err := d.store.files.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	if err := d.store.files.SyncDir(d.store.interfacesPath()); err != nil {
		return err
	}
	return d.load()
}

// settle brings the log into order, once.
func (d *daily) settle() {
	if d.settled {
		return
	}
	d.settled = true
	if err := d.store.settle(d.iface, d.day); err != nil {
		d.store.log.Error("recover a log", "interface", d.iface, "day", d.day.String(), "error", err)
	}
}

// tidy removes the files that were merged into others and outlived it.
func (d *daily) tidy() error {
	if len(d.parts.superseded) > 0 {
		if err := d.remove(d.parts.superseded); err != nil {
			return err
		}
	}
	if log := d.parts.log; log != nil && len(log.blocks) == 0 {
		return d.removeLog()
	}
	return nil
}

// remove deletes segments all of whose blocks are in others, durably.
func (d *daily) remove(segments []*openSegment) error {
	for _, o := range segments {
		if err := d.store.files.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		d.store.readers.forget(o.path)
		d.report.Removed++
	}
	return d.store.files.SyncDir(d.dir)
}

// removeLog deletes the log if all its blocks are in segments by now. A log with damage stays, so that whoever reads it
// is told what is lost; repair sets it aside.
func (d *daily) removeLog() error {
	a := d.store.appender(d.iface)
	a.mu.Lock()
	defer a.mu.Unlock()
	merged := map[identity]struct{}{}
	for _, o := range d.parts.segments {
		blocks, err := o.reader.Blocks()
		if err != nil {
			return err
		}
		for i := range blocks {
			merged[identityOf(&blocks[i])] = struct{}{}
		}
	}
	name := filepath.Join(d.dir, d.day.fileName())
	file, err := d.store.files.Open(name)
	if err != nil {
		return err
	}
	index, err := readIndex(file, name, d.iface, d.day)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	for i := range index.blocks {
		if _, ok := merged[index.blocks[i].identity()]; !ok {
			return nil
		}
	}
	if len(index.damage) > 0 {
		return nil
	}
	if a.file != nil && a.day == d.day {
		if err := a.close(); err != nil {
			return err
		}
	}
	if err := d.store.files.Remove(name); err != nil {
		return err
	}
	delete(a.cut, d.day)
	d.report.Removed++
	return d.store.files.SyncDir(d.dir)
}

// mergeParts makes one segment of several: that of the day when it is over, later ones of late data among themselves.
func (d *daily) mergeParts(ctx context.Context, ended bool) error {
	inputs := slices.Clone(d.parts.segments)
	number := d.last + 1
	switch whole := len(inputs) > 0 && inputs[0].listed.number == 0; {
	case ended && !whole:
		number = 0
	case ended:
		inputs = inputs[1:]
	case len(inputs) <= maxParts:
		return nil
	}
	if number == 0 && d.taken() {
		return nil // by a file that cannot be read: the parts stay what they are
	}
	for len(inputs) > 1 {
		damaged, err := d.merge(ctx, number, inputs)
		if damaged < 0 {
			return err
		}
		// What is damaged stays beside the others, so that whoever reads it is told.
		d.store.log.Error("a damaged segment is not merged", "file", inputs[damaged].path, "error", err)
		inputs = slices.Delete(inputs, damaged, damaged+1)
	}
	if len(inputs) == 1 && number == 0 {
		return d.promote(inputs[0])
	}
	return nil
}

// taken says that there is a file with the name of the day's segment.
func (d *daily) taken() bool {
	_, err := d.store.files.Stat(filepath.Join(d.dir, d.day.segmentName(0)))
	return !errors.Is(err, fs.ErrNotExist)
}

// merge makes one segment of several and removes them. If one of them is damaged, damaged is its index and nothing is
// done; else it is -1.
func (d *daily) merge(ctx context.Context, number int, inputs []*openSegment) (damaged int, err error) {
	first, last, size := int64(0), int64(0), int64(0)
	sources := make([]segment.Input, len(inputs))
	for i, o := range inputs {
		m := o.reader.Meta()
		first, last = extend(first, last, m.First)
		first, last = extend(first, last, m.Last)
		size += o.listed.size
		sources[i] = segment.FromReader(o.reader)
	}
	meta := segment.Meta{Interface: d.iface, Day: int64(d.day), First: first, Last: last}
	err = d.make(ctx, number, size, func(f vfs.File) (segment.Info, error) {
		return segment.Merge(ctx, f, segment.DefaultConfig(), meta, sources...)
	})
	var damage *segment.DamageError
	if errors.As(err, &damage) {
		if i := slices.IndexFunc(inputs, func(o *openSegment) bool { return o.path == damage.File }); i >= 0 {
			return i, err
		}
	}
	if err != nil {
		return -1, err
	}
	return -1, d.remove(inputs)
}

// promote makes the only part of a day that is over the segment of the day.
func (d *daily) promote(o *openSegment) error {
	if err := d.store.files.Rename(o.path, filepath.Join(d.dir, d.day.segmentName(0))); err != nil {
		return err
	}
	d.store.readers.forget(o.path)
	return d.store.files.SyncDir(d.dir)
}

// make makes a segment: under another name until it is durable and was read back.
func (d *daily) make(ctx context.Context, number int, size int64, write func(vfs.File) (segment.Info, error)) error {
	if err := d.room(size); err != nil {
		return err
	}
	if d.store.outdated.Load() {
		if err := writeIdentity(d.store.files, d.store.root, d.store.hostID); err != nil {
			return err
		}
		d.store.outdated.Store(false)
	}
	path := filepath.Join(d.dir, d.day.segmentName(number))
	temp := path + tempSuffix
	info, err := d.writeSegment(ctx, temp, write)
	if err != nil {
		_ = d.store.files.Remove(temp) // else the next run does it
		return err
	}
	if err := d.store.files.Rename(temp, path); err != nil {
		return err
	}
	if err := d.store.files.SyncDir(d.dir); err != nil {
		return err
	}
	d.last = max(d.last, number)
	d.report.Segments++
	d.report.Rows += uint64(info.Rows)
	d.report.BytesRead += size
	d.report.BytesWritten += info.Bytes
	k := &d.store.kept
	k.compactions.Add(1)
	k.rowsIn.Add(uint64(info.Rows))
	k.bytesMade.Add(uint64(info.Bytes))
	d.store.log.Debug("made a segment", "file", path, "rows", info.Rows, "bytes", info.Bytes)
	return nil
}

// writeSegment writes a segment, durably, and reads it back: what went in is deleted after that.
func (d *daily) writeSegment(ctx context.Context, temp string, write func(vfs.File) (segment.Info, error)) (info segment.Info, err error) {
	if err := d.store.files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return info, err
	}
	f, err := d.store.files.Create(temp, fileMode)
	if err != nil {
		return info, err
	}
	info, err = write(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return info, err
	}
	o, err := openSegmentFile(d.store.files, temp, dataFile{})
	if err != nil {
		return info, fmt.Errorf("read back: %w", err)
	}
	defer o.reader.Close() //nolint:errcheck // it was only read
	if o.reader.Rows() != info.Rows || o.reader.Checksum() != info.Checksum {
		return info, fmt.Errorf("read back %s: other content than was written", temp)
	}
	var damage error
	if !o.reader.Verify(func(e *segment.DamageError) { damage = e }) {
		return info, fmt.Errorf("read back: %w", damage)
	}
	return info, nil
}

// room says whether there is room for a segment of files of size bytes.
func (d *daily) room(size int64) error {
	const reserve = 1 << 20 // for what is appended meanwhile
	space, err := d.store.files.Space(d.dir)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	if space.Free < uint64(size)+reserve {
		return fmt.Errorf("%w: up to %d bytes are needed", errNoRoom, size+reserve)
	}
	return nil
}
