package godb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const secondsPerDay = 24 * 60 * 60

// maxDay is the last day with four digits of year.
const maxDay = 253402300800 - secondsPerDay

// dayRef is the place of a day's directory, as it was listed.
type dayRef struct {
	day   int64  // UTC midnight, Unix seconds
	month string // path of the directory that holds it, from the root
	name  string // of the directory
}

func (d dayRef) path() string { return filepath.Join(d.month, d.name) }

// isYear and isMonth say which directories are looked into.
func isYear(name string) bool  { return len(name) == 4 && digits(name) }
func isMonth(name string) bool { return len(name) == 2 && digits(name) }

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// parseDay reads a day's directory name: the day, and behind an underline what is not needed to find it.
func parseDay(name string) (day int64, ok bool) {
	number, _, _ := strings.Cut(name, "_")
	if !digits(number) {
		return 0, false
	}
	day, err := strconv.ParseInt(number, 10, 64)
	return day, err == nil && day <= maxDay && day%secondsPerDay == 0
}

// directories lists the directories below one, given from the root, whose names are wanted.
func (db *DB) directories(path string, wanted func(string) bool) ([]string, error) {
	entries, err := db.files.ReadDir(filepath.Join(db.root, path))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && wanted(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// days lists the directories of an interface's days by day, wherever they stand. Several of one day are possible:
// goProbe leaves an older one behind after a crash, and one host may have written in two time zones. Directories
// that cannot be listed are damage; the error is that of the interface's own.
func (db *DB) days(iface string) (days []dayRef, damage []Damage, err error) {
	if !knownInterface(iface) {
		return nil, nil, fmt.Errorf("list days: invalid interface %q", iface)
	}
	years, err := db.directories(iface, isYear)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list years of %s: %w", iface, err)
	}
	lose := func(path string, err error) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // or it was removed since it was listed
			damage = append(damage, Damage{Interface: iface, File: path, Block: -1, Cause: cause(err)})
		}
	}
	for _, year := range years {
		months, err := db.directories(filepath.Join(iface, year), isMonth)
		lose(filepath.Join(iface, year), err)
		for _, month := range months {
			path := filepath.Join(iface, year, month)
			found, err := db.daysOf(path)
			lose(path, err)
			days = append(days, found...)
		}
	}
	slices.SortFunc(days, func(a, b dayRef) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.month, b.month), cmp.Compare(a.name, b.name))
	})
	return days, damage, nil
}

// daysOf lists the days in one month's directory.
func (db *DB) daysOf(month string) ([]dayRef, error) {
	names, err := db.directories(month, func(string) bool { return true })
	var days []dayRef
	for _, name := range names {
		if day, ok := parseDay(name); ok {
			days = append(days, dayRef{day: day, month: month, name: name})
		} else {
			db.log.Warn("directory is no day, left out", "directory", filepath.Join(month, name))
		}
	}
	return days, err
}

// renamed looks for the day's directory under the name that goProbe has given it since it was listed; false if it
// still has its name, or is gone. known are the directories of the same day.
func (db *DB) renamed(ref dayRef, known []dayRef) (dayRef, bool) {
	days, err := db.daysOf(ref.month)
	if err != nil {
		return ref, false
	}
	for _, d := range slices.Backward(days) {
		if d.day == ref.day && !slices.Contains(known, d) {
			return d, true
		}
	}
	return ref, false
}

// Totals are the sums of a day, as its directory's name and its metadata state them.
type Totals struct {
	IPv4Rows, IPv6Rows           uint64
	Dropped                      uint64 // packets that the capture lost
	BytesReceived, BytesSent     uint64
	PacketsReceived, PacketsSent uint64
}

func (t Totals) rows() uint64 { return t.IPv4Rows + t.IPv6Rows }

func (t *Totals) fields() [7]*uint64 {
	return [...]*uint64{&t.IPv4Rows, &t.IPv6Rows, &t.Dropped, &t.BytesReceived, &t.BytesSent, &t.PacketsReceived, &t.PacketsSent}
}

// parseTotals reads the totals in a day's directory name. Names without them are legal.
func parseTotals(name string) (t Totals, ok bool) {
	parts := strings.SplitN(name, "_", 3)
	if len(parts) < 2 {
		return t, false
	}
	numbers := strings.Split(parts[1], "-")
	fields := t.fields()
	if len(numbers) != len(fields) {
		return t, false
	}
	for i, text := range numbers {
		if *fields[i], ok = parseBase62(text); !ok {
			return Totals{}, false
		}
	}
	return t, true
}

const (
	base62Digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	base62Length = 11 // digits of the greatest 64-bit number
)

// parseBase62 reads a number whose least significant digit comes first.
func parseBase62(text string) (value uint64, ok bool) {
	if text == "" || len(text) > base62Length {
		return 0, false
	}
	for i := len(text) - 1; i >= 0; i-- {
		digit := strings.IndexByte(base62Digits, text[i])
		if digit < 0 || value > (math.MaxUint64-uint64(digit))/62 {
			return 0, false
		}
		value = value*62 + uint64(digit)
	}
	return value, true
}
