package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// writerOnly is what archive writes to.
type writerOnly = io.Writer

// outFile is a file that gets its name when it is whole, standard output, or nothing in a dry run.
type outFile struct {
	*bufio.Writer
	file *os.File // nil: nothing to be renamed
	name string
}

const partSuffix = ".part"

// create begins a file; - is standard output.
func (v *exportVerb) create(name string) (*outFile, error) {
	switch {
	case v.dryRun:
		return &outFile{Writer: bufio.NewWriter(io.Discard)}, nil
	case name == "-":
		return &outFile{Writer: bufio.NewWriter(v.app.stdout)}, nil
	}
	f, err := os.OpenFile(name+partSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, failure(err, "")
	}
	return &outFile{bufio.NewWriterSize(f, 1<<20), f, name}, nil
}

// finish makes the file durable and gives it its name, or removes it after an error, which it returns.
func (o *outFile) finish(err error) error {
	if err == nil {
		err = o.Flush()
	}
	if o.file == nil {
		return err
	}
	if err == nil {
		err = o.file.Sync()
	}
	err = errors.Join(err, o.file.Close())
	if err == nil {
		err = os.Rename(o.name+partSuffix, o.name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", o.name, err), os.Remove(o.name+partSuffix))
	}
	return nil
}

// discard removes a file that turned out to be needless.
func (o *outFile) discard() error {
	if o.file == nil {
		return nil
	}
	return errors.Join(o.file.Close(), os.Remove(o.name+partSuffix))
}
