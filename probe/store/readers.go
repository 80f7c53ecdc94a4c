package store

import (
	"container/list"
	"errors"
	"sync"
	"syscall"

	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// maxIdleReaders bounds the segments that are held open for the next view.
const maxIdleReaders = 1024

// openSegment is a segment that is open, for one view or several. A file that is removed meanwhile stays readable.
type openSegment struct {
	path       string
	reader     *segment.Reader
	listed     dataFile
	references int
	forgotten  bool          // closed with the last reference
	idle       *list.Element // in readerCache.idle, nil while there are references
}

// readerCache opens each segment once, counts who uses it, and holds on to those used last.
type readerCache struct {
	mu      sync.Mutex
	byPath  map[string]*openSegment
	idle    *list.List // of *openSegment, used last in front
	closed  bool
	maxIdle int
}

func newReaderCache() *readerCache {
	return &readerCache{byPath: map[string]*openSegment{}, idle: list.New(), maxIdle: maxIdleReaders}
}

// acquire opens a segment that was listed as f. The caller releases it.
func (c *readerCache) acquire(files vfs.FS, path string, f dataFile) (*openSegment, error) {
	c.mu.Lock()
	if o := c.byPath[path]; o != nil {
		if o.listed == f {
			c.use(o)
			c.mu.Unlock()
			return o, nil
		}
		c.drop(o) // another file has the name now
	}
	c.mu.Unlock()
	o, err := openSegmentFile(files, path, f)
	if errors.Is(err, syscall.EMFILE) {
		c.trim(0)
		o, err = openSegmentFile(files, path, f)
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.byPath[path]; other != nil && other.listed == f { // somebody else was quicker
		_ = o.reader.Close()
		c.use(other)
		return other, nil
	}
	o.references = 1
	if c.closed || c.byPath[path] != nil {
		o.forgotten = true
	} else {
		c.byPath[path] = o
	}
	return o, nil
}

// use adds a reference. c.mu is held.
func (c *readerCache) use(o *openSegment) {
	if o.idle != nil {
		c.idle.Remove(o.idle)
		o.idle = nil
	}
	o.references++
}

// release takes a reference away.
func (c *readerCache) release(o *openSegment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.references--
	switch {
	case o.references > 0:
	case o.forgotten || c.closed:
		_ = o.reader.Close()
	default:
		o.idle = c.idle.PushFront(o)
		c.shrink(c.maxIdle)
	}
}

// trim closes idle segments until no more than keep are left.
func (c *readerCache) trim(keep int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shrink(keep)
}

// shrink is trim; c.mu is held.
func (c *readerCache) shrink(keep int) {
	for c.idle.Len() > keep {
		c.drop(c.idle.Back().Value.(*openSegment))
	}
}

// drop forgets a segment and closes it, now or with the last reference. c.mu is held.
func (c *readerCache) drop(o *openSegment) {
	if c.byPath[o.path] == o {
		delete(c.byPath, o.path)
	}
	o.forgotten = true
	if o.idle != nil {
		c.idle.Remove(o.idle)
		o.idle = nil
		_ = o.reader.Close()
	}
}

// forget drops what is open under a path: the file is being removed.
func (c *readerCache) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.byPath[path]; o != nil {
		c.drop(o)
	}
}

// close closes all that is idle; what is in use is closed when it is released.
func (c *readerCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.shrink(0)
}

// openSegmentFile opens a segment.
func openSegmentFile(files vfs.FS, path string, f dataFile) (*openSegment, error) {
	file, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	reader, err := segment.Open(file, path)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &openSegment{path: path, reader: reader, listed: f}, nil
}
