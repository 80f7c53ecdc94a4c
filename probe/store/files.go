package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// dataFile is a file in the directory of an interface, as it was when it was listed.
type dataFile struct {
	name    string
	day     day
	segment bool // else a log
	number  int  // of a segment: 0 for that of the day as a whole
	foreign bool // neither a file nor a link: nothing of ours can be in it
	size    int64
	changed int64 // when it was written, nanoseconds; tells files of one name apart
}

// errForeign is said of a directory, a pipe and the like that has the name of a log or a segment.
var errForeign = errors.New("foreign: no file, though it has the name of one of the store's; move it elsewhere, or weir db repair sets it aside")

// listFiles lists the logs and segments of an interface, of days from first to last and not being deleted: by day,
// the segment of the day first, then its parts, then the log.
func (s *Store) listFiles(iface string, first, last day) ([]dataFile, error) {
	until, err := s.horizon()
	if err != nil {
		return nil, err
	}
	var files []dataFile
	err = s.eachEntry(iface, func(e fs.DirEntry) error {
		f := dataFile{name: e.Name(), foreign: e.Type()&^fs.ModeSymlink != 0}
		var ok bool
		if f.day, f.number, ok = parseSegmentName(f.name); ok {
			f.segment = true
		} else if f.day, ok = parseFileName(f.name); !ok {
			return nil
		}
		if f.day < max(first, until+1) || f.day > last {
			return nil
		}
		return f.measure(e, &files)
	})
	slices.SortFunc(files, func(a, b dataFile) int {
		if c := cmp.Compare(a.day, b.day); c != 0 {
			return c
		}
		if a.segment != b.segment {
			if a.segment {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.number, b.number)
	})
	return files, err
}

// Days lists the UTC days, since 1970, that an interface has files of.
func (s *Store) Days(iface string) (days []int64, err error) {
	files, err := s.listFiles(iface, 0, endOfTime)
	for _, f := range files {
		days = append(days, int64(f.day))
	}
	return slices.Compact(days), err
}

// Files lists the logs and segments that the store reads, by interface and day, with their paths.
func (s *Store) Files() (paths []string, err error) {
	names, err := s.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, iface := range names {
		dir, err := s.interfacePath(iface)
		if err != nil {
			return nil, err
		}
		files, err := s.listFiles(iface, 0, endOfTime)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			paths = append(paths, dir+"/"+f.name)
		}
	}
	return paths, nil
}

// measure fills in size and time and appends the file, unless it is gone by now.
func (f dataFile) measure(e fs.DirEntry, to *[]dataFile) error {
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !f.foreign {
		f.size, f.changed = info.Size(), info.ModTime().UnixNano()
	}
	*to = append(*to, f)
	return nil
}

// allFiles lists all that belongs to a day, what was set aside and what is being made included.
func (s *Store) allFiles(iface string) (files []dataFile, err error) {
	err = s.eachFile(iface, func(e fs.DirEntry) error {
		if len(e.Name()) <= len(dateForm) || e.Name()[len(dateForm)] != '.' {
			return nil
		}
		d, ok := parseDate(e.Name()[:len(dateForm)])
		rest := e.Name()[len(dateForm):]
		if !ok || !strings.Contains(rest, logSuffix) && !strings.Contains(rest, segmentSuffix) {
			return nil
		}
		return dataFile{name: e.Name(), day: d}.measure(e, &files)
	})
	return files, err
}

const dateForm = "2006-01-02"

// eachFile calls visit for the entries of an interface's directory that are no directories.
func (s *Store) eachFile(iface string, visit func(fs.DirEntry) error) error {
	return s.eachEntry(iface, func(e fs.DirEntry) error {
		if e.IsDir() {
			return nil
		}
		return visit(e)
	})
}

// eachEntry calls visit for the entries of an interface's directory; there are none if it does not exist.
func (s *Store) eachEntry(iface string, visit func(fs.DirEntry) error) error {
	dir, err := s.interfacePath(iface)
	if err != nil {
		return err
	}
	entries, err := s.files.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for i := 0; err == nil && i < len(entries); i++ {
		err = visit(entries[i])
	}
	if err != nil {
		return fmt.Errorf("list files of %s: %w", iface, err)
	}
	return nil
}

const endOfTime = day(maxEnd / secondsPerDay)
