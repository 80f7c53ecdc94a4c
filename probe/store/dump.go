package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// ErrNoData is returned by Dump for a file whose name is that of neither a log nor a segment.
var ErrNoData = errors.New("not a file of a store: expected interfaces/NAME/YYYY-MM-DD.wlog or .wseg")

// Dump writes what a log or a segment holds, for people: headers, places and sizes, not rows. The file must have its
// name and stand in its interface's directory, as both are part of what its checksums cover. What is damaged is said
// where it stands.
func Dump(files vfs.FS, path string, to io.Writer) error {
	iface, ok := decodeName(filepath.Base(filepath.Dir(path)))
	if !ok {
		return fmt.Errorf("dump %s: %w", path, ErrNoData)
	}
	f, err := files.Open(path)
	if err != nil {
		return err
	}
	if d, ok := parseFileName(filepath.Base(path)); ok {
		defer f.Close()
		return dumpLog(f, path, iface, d, to)
	}
	if _, _, ok := parseSegmentName(filepath.Base(path)); !ok {
		return errors.Join(fmt.Errorf("dump %s: %w", path, ErrNoData), f.Close())
	}
	r, err := segment.Open(f, path)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(r.Dump(to), r.Close())
}

func dumpLog(f vfs.File, path, iface string, d day, to io.Writer) error {
	index, err := readIndex(f, path, iface, d)
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, err)
	}
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "log of %q, %s, format %d, %d bytes, %d blocks, %d replays\n\n", iface, filepath.Base(path), FormatVersion,
		index.size, len(index.blocks), index.replays)
	fmt.Fprintf(w, "%10s %10s %-20s %10s %8s %-32s %10s %12s %10s %12s\n", "offset", "payload", "end", "covered", "rows", "boot",
		"sequence", "received", "dropped", "metered")
	var payload []byte
	for i := range index.blocks {
		b := &index.blocks[i]
		iv := &b.interval
		fmt.Fprintf(w, "%10d %10d %-20s %10s %8d %x %10d %12d %10d %12d", b.offset, b.payload, time.Unix(iv.End, 0).UTC().Format(time.RFC3339),
			iv.Duration, b.rows, iv.Boot, iv.Sequence, iv.Accounting.Received, iv.Accounting.Dropped, iv.Accounting.Metered)
		if payload, err = readPayload(f, b, payload); err != nil {
			fmt.Fprintf(w, " damaged: %s", cause(err))
		}
		fmt.Fprintln(w)
	}
	for _, damage := range index.damage {
		fmt.Fprintf(w, "%10d %d bytes damaged: %s\n", damage.Offset, damage.Bytes, damage.Cause)
	}
	if index.torn > 0 {
		fmt.Fprintf(w, "%10d %d bytes of a block that was not written to its end\n", index.size-index.torn, index.torn)
	}
	return w.Flush()
}
