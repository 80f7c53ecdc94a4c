package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// appender writes the logs of one interface. It has at most one of them open: that of the day appended to last.
type appender struct {
	store *Store
	iface string

	upkeep sync.Mutex // see Store.maintain

	mu      sync.Mutex
	file    vfs.File // nil: none open
	day     day
	tag     uint32
	good    int64                 // length of the file up to which it is known to be right and durable
	seen    map[identity]struct{} // blocks of the day and of its neighbours
	cut     map[day]int64         // lengths to which logs must be cut before use: those of failed appends
	raw     []byte
	encoded []byte
	sorted  []flow.Record
}

// append writes one block. a.mu is held.
func (a *appender) append(interval flow.Interval, records []flow.Record) error {
	header := blockHeader{interval: interval, rows: uint32(len(records)), payload: uint32(min(len(records), 1))}
	if err := header.validate(); err != nil {
		return err
	}
	if a.store.closed.Load() {
		return errClosed
	}
	if d := dayOf(interval.End); a.file == nil || a.day != d {
		if err := errors.Join(a.close(), a.open(d)); err != nil {
			return err
		}
	}
	if _, replay := a.seen[header.identity()]; replay {
		a.store.written.replays.Add(1)
		a.store.log.Info("block is in the store, not written again", "interface", a.iface, "end", interval.End,
			"sequence", interval.Sequence)
		return nil
	}
	a.encode(header, records)
	if err := a.write(); err != nil {
		return errors.Join(err, a.rollBack())
	}
	a.good += int64(len(a.encoded))
	a.seen[header.identity()] = struct{}{}
	w := &a.store.written
	w.blocks.Add(1)
	w.rows.Add(uint64(len(records)))
	w.bytes.Add(uint64(len(a.encoded)))
	return nil
}

// encode puts the block into a.encoded.
func (a *appender) encode(header blockHeader, records []flow.Record) {
	a.encoded, a.raw = appendBlock(a.encoded[:0], a.raw, a.tag, header, a.inOrder(records))
}

// appendBlock appends a block to dst; length and checksum of the payload are filled in. raw is scratch space.
func appendBlock(dst, raw []byte, tag uint32, header blockHeader, sorted []flow.Record) (encoded, scratch []byte) {
	start := len(dst)
	dst = append(dst, make([]byte, BlockHeaderSize)...)
	dst, raw = appendPayload(dst, raw, sorted)
	payload := dst[start+BlockHeaderSize:]
	header.payload, header.crc = uint32(len(payload)), checksum(payload)
	header.put(dst[start:], tag)
	return dst, raw
}

// inOrder returns the records sorted by key; the caller's are not touched.
func (a *appender) inOrder(records []flow.Record) []flow.Record {
	byKey := func(x, y flow.Record) int { return x.Key.Compare(y.Key) }
	if slices.IsSortedFunc(records, byKey) {
		return records
	}
	a.sorted = append(a.sorted[:0], records...)
	slices.SortFunc(a.sorted, byKey)
	return a.sorted
}

// write writes a.encoded and makes it durable.
func (a *appender) write() error {
	if _, err := a.file.Write(a.encoded); err != nil {
		return err
	}
	return a.file.Sync()
}

// rollBack undoes a failed append: the file gets its length back, now or, if that fails too, before it is used
// again. The file is closed, since after a failed fsync only what is read back is known.
func (a *appender) rollBack() error {
	err := a.file.Truncate(a.good)
	if err == nil {
		err = a.file.Sync()
	}
	if err != nil {
		a.cutLater(a.day, a.good)
	}
	return errors.Join(err, a.close())
}

func (a *appender) cutLater(d day, length int64) {
	if a.cut == nil {
		a.cut = map[day]int64{}
	}
	a.cut[d] = length
}

// close closes the open log, if any. a.mu is held.
func (a *appender) close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// open opens the log of a day, making it if it is absent. a.mu is held, or the store is being opened.
func (a *appender) open(d day) error {
	dir, err := a.store.interfacePath(a.iface)
	if err != nil {
		return err
	}
	if err := a.store.files.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	name := filepath.Join(dir, d.fileName())
	f, index, err := a.openLog(name, d)
	if errors.Is(err, errNoLog) || errors.Is(err, errForeign) {
		if err = a.setAside(name, err); err == nil {
			f, index, err = a.openLog(name, d)
		}
	}
	if err != nil {
		return fmt.Errorf("open %s for writing: %w", name, err)
	}
	if err := errors.Join(a.store.syncDirs(a.store.interfacesPath(), dir), a.remember(index, d)); err != nil {
		return errors.Join(err, f.Close())
	}
	_, a.tag = fileHeader(a.iface, d)
	a.file, a.day, a.good = f, d, index.good
	return nil
}

// openLog opens a log for writing, with nothing behind its last block.
func (a *appender) openLog(name string, d day) (vfs.File, logIndex, error) {
	switch info, err := a.store.files.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		if err := a.create(name, d); err != nil {
			return nil, logIndex{}, err
		}
	case err == nil && !info.Mode().IsRegular():
		return nil, logIndex{}, errForeign
	}
	f, err := a.store.files.OpenAppend(name, fileMode)
	if err != nil {
		return nil, logIndex{}, err
	}
	index, err := a.recover(f, name, d)
	if err != nil {
		return nil, index, errors.Join(err, f.Close())
	}
	return f, index, nil
}

// create makes a log without blocks. It appears under its name when its header is durable.
func (a *appender) create(name string, d day) error {
	temp := name + tempSuffix
	if err := a.store.files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	header, _ := fileHeader(a.iface, d)
	if err := writeSynced(a.store.files, temp, header); err != nil {
		return err
	}
	return a.store.files.Rename(temp, name)
}

// setAside moves what is no log out of the way: what is in it is not ours to delete, and must not keep
// the day's flows from being stored.
func (a *appender) setAside(name string, cause error) error {
	aside := name + asideSuffix
	if _, err := a.store.files.Stat(aside); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(cause, err)
	}
	a.store.log.Error("set a file aside", "file", name, "as", aside, "error", cause)
	return a.store.files.Rename(name, aside)
}

// recover cuts off the torn end of a log and makes the rest durable, so that a replay of a block which an earlier
// process wrote and did not sync may be acknowledged.
func (a *appender) recover(f vfs.File, name string, d day) (logIndex, error) {
	if length, ok := a.cut[d]; ok {
		if err := f.Truncate(length); err != nil {
			return logIndex{}, err
		}
	}
	index, err := readIndex(f, name, a.iface, d)
	if err != nil {
		return index, err
	}
	if err := dropDamagedEnd(f, &index); err != nil {
		return index, err
	}
	if torn := index.size - index.good; torn > 0 {
		a.store.log.Warn("cut off the torn end of a log", "file", name, "offset", index.good, "bytes", torn)
		if err := f.Truncate(index.good); err != nil {
			return index, err
		}
		a.store.written.truncated.Add(uint64(torn))
	}
	for _, damage := range index.damage {
		if damage.Offset < index.good {
			a.store.log.Error("log is damaged", "file", name, "offset", damage.Offset, "bytes", damage.Bytes)
		}
	}
	if err := f.Sync(); err != nil {
		return index, err
	}
	delete(a.cut, d)
	return index, nil
}

// dropDamagedEnd takes the last block out of the index if its payload did not reach the disk whole. Earlier blocks
// were synced before the last one was written; damage in them is not a torn end and stays where it is.
func dropDamagedEnd(f vfs.File, index *logIndex) error {
	if len(index.blocks) == 0 {
		return nil
	}
	last := &index.blocks[len(index.blocks)-1]
	if last.end() != index.good {
		return nil // a replay stands behind it
	}
	_, err := readPayload(f, last, nil)
	if !errors.Is(err, errPayload) {
		return err
	}
	index.good, index.blocks = last.offset, index.blocks[:len(index.blocks)-1]
	return nil
}

// remember collects the identities of the blocks of a day and of its neighbours, in logs and segments.
func (a *appender) remember(index logIndex, d day) error {
	seen, err := a.store.known(a.iface, d, false)
	if err != nil {
		return err
	}
	for i := range index.blocks {
		seen[index.blocks[i].identity()] = struct{}{}
	}
	a.seen = seen
	return nil
}

// checkRecords refuses rows that the format cannot hold.
func checkRecords(records []flow.Record) error {
	if len(records) > MaxBlockRows {
		return fmt.Errorf("%d rows: more than %d", len(records), MaxBlockRows)
	}
	for i := range records {
		k := &records[i].Key
		switch {
		case k.Family == flow.IPv6:
		case k.Family != flow.IPv4:
			return fmt.Errorf("row %d: address family %d", i, k.Family)
		case [12]byte(k.Source[4:]) != [12]byte{} || [12]byte(k.Destination[4:]) != [12]byte{}:
			return fmt.Errorf("row %d: an IPv4 address of more than four bytes", i)
		}
	}
	return nil
}
