package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// Checked is what Check found of an interface.
type Checked struct {
	Segments, Logs int    // files that are read
	Blocks, Rows   uint64 // in them, each once
	Bytes          int64  // of all files
	Corrupted      uint64 // damaged places
	BytesLost      uint64
	BytesTorn      uint64 // ends of logs that are being written, or were when the writer died
	Superseded     int    // files that were merged into others, and go with the next compaction
	Unfinished     int    // files that were being made
	Aside          int    // files that were set aside
}

// Check reads all that there is of an interface, and calls visit for each place that is damaged: a part of a file, a file
// that cannot be used, or one that has a name under which it is not read. An error is that of the context or of
// listing the directory.
func (s *Store) Check(ctx context.Context, iface string, visit func(Damage)) (c Checked, err error) {
	k := checker{store: s, iface: iface, checked: &c, visit: visit}
	if err := k.names(); err != nil {
		return c, fmt.Errorf("check %s: %w", iface, err)
	}
	files, err := s.listFiles(iface, 0, endOfTime)
	if err != nil {
		return c, fmt.Errorf("check %s: %w", iface, err)
	}
	for i, f := range files {
		if i > 0 && files[i-1].day == f.day {
			continue
		}
		if err := k.day(ctx, f.day); err != nil {
			return c, fmt.Errorf("check %s: %w", iface, err)
		}
	}
	return c, nil
}

// checker checks an interface.
type checker struct {
	store   *Store
	iface   string
	checked *Checked
	visit   func(Damage)
}

func (k *checker) lose(d Damage) {
	k.checked.Corrupted++
	k.checked.BytesLost += uint64(d.Bytes)
	k.visit(d)
}

// names looks at the files that are not read, because of their names.
func (k *checker) names() error {
	dir, err := k.store.interfacePath(k.iface)
	if err != nil {
		return err
	}
	return k.store.eachFile(k.iface, func(e fs.DirEntry) error {
		if info, err := e.Info(); err == nil {
			k.checked.Bytes += info.Size()
		}
		path := filepath.Join(dir, e.Name())
		_, log := parseFileName(e.Name())
		_, _, segment := parseSegmentName(e.Name())
		switch kind := filepath.Ext(e.Name()); {
		case log || segment:
		case kind == tempSuffix:
			k.checked.Unfinished++
		case kind == asideSuffix || strings.HasPrefix(kind, damagedSuffix):
			k.checked.Aside++
		default:
			if what, size := k.store.recognise(path); what != "" {
				k.lose(Damage{File: k.store.relative(path), Bytes: size, Cause: what + " under a name that is not read"})
			}
		}
		return nil
	})
}

// recognise says what a file is by how it begins; empty if it is none of ours.
func (s *Store) recognise(path string) (what string, size int64) {
	f, err := s.files.Open(path)
	if err != nil {
		return "", 0
	}
	defer f.Close()
	b := make([]byte, len(fileMagic))
	if n, err := f.ReadAt(b, 0); n < len(b) && (err == nil || errors.Is(err, io.EOF)) {
		return "", 0
	}
	size, _ = f.Size() // 0 says enough where it cannot be told
	switch string(b) {
	case string(fileMagic[:]):
		return "a log", size
	case segmentMagic:
		return "a segment", size
	}
	return "", 0
}

// segmentMagic is what segments begin with.
const segmentMagic = "WEIRSEGM"

// day checks all of a day.
func (k *checker) day(ctx context.Context, d day) error {
	v, err := k.store.View(ctx, k.iface, int64(d)*secondsPerDay+1, (int64(d)+1)*secondsPerDay)
	if err != nil {
		return err
	}
	defer v.Close()
	for _, damage := range v.unreadable {
		k.lose(damage)
	}
	k.checked.Superseded += v.superseded
	for i := range v.days {
		p := &v.days[i]
		for _, o := range p.segments {
			if err := ctx.Err(); err != nil {
				return err
			}
			k.checked.Segments++
			k.checked.Blocks += uint64(o.reader.BlockCount())
			k.checked.Rows += uint64(o.reader.Rows())
			o.reader.Verify(func(e *segment.DamageError) { k.lose(segmentDamage(k.store.relative(o.path), o.reader, e)) })
		}
		if p.log != nil {
			if err := k.log(ctx, v, p.log); err != nil {
				return err
			}
		}
	}
	return nil
}

// log checks a log: its headers, and the blocks that are in no segment.
func (k *checker) log(ctx context.Context, v *View, log *openLog) error {
	r := v.reader(func(flow.Interval, []flow.Record) error { return nil })
	k.checked.Logs++
	for _, damage := range log.index.damage {
		k.lose(damage)
	}
	k.checked.BytesTorn += uint64(log.index.torn)
	for i := range log.blocks {
		before := r.stats.Corrupted
		if err := r.visitBlock(ctx, log.file, log.name, &log.blocks[i]); err != nil {
			return err
		}
		if r.stats.Corrupted > before {
			k.lose(r.stats.Damage[0])
			r.stats.Damage = r.stats.Damage[:0]
		}
	}
	k.checked.Blocks += r.stats.Blocks
	k.checked.Rows += r.stats.Rows
	return nil
}
