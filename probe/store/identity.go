package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/weirflow/weir/probe/vfs"
)

// Names in the store's root.
const (
	identityFile  = "weir-store"
	lockFile      = "lock"
	interfacesDir = "interfaces"

	tempSuffix   = ".new"     // of a file that is being made
	asideSuffix  = ".refused" // of a file that stood where a log was due
	identityTemp = identityFile + tempSuffix
	identityMax  = 1024
	fileMode     = 0o640
	dirMode      = 0o750
)

// StoreVersion is the version of the store's layout that this build writes. Version 1 had no segments: a build that
// knows no other would not see what was compacted. The first writer of this build makes it version 2.
const StoreVersion = 2

// formatIdentity is the text of the identity file.
func formatIdentity(version int, hostID string) string {
	text := fmt.Sprintf("weir-store %d\nhost %s\n", version, hostID)
	return text + fmt.Sprintf("check %08x\n", checksum([]byte(text)))
}

// parseIdentity reads the text of the identity file.
func parseIdentity(text string) (version int, hostID string, err error) {
	if !strings.HasPrefix(text, identityFile+" ") {
		return 0, "", errors.New("not an identity of a store")
	}
	body, check := text, ""
	if i := strings.LastIndex(text, "check "); i >= 0 {
		body, check = text[:i], text[i:]
	}
	if check != fmt.Sprintf("check %08x\n", checksum([]byte(body))) {
		return 0, "", errors.New("checksum mismatch")
	}
	first, rest, _ := strings.Cut(body, "\n")
	number := strings.TrimPrefix(first, identityFile+" ")
	if version, err = strconv.Atoi(number); err != nil || version < 1 || version > StoreVersion {
		return 0, "", fmt.Errorf("%w: format %q, this build reads 1 to %d", errFutureVersion, number, StoreVersion)
	}
	hostID = strings.TrimSuffix(strings.TrimPrefix(rest, "host "), "\n")
	if _, err := uuid.Parse(hostID); err != nil || text != formatIdentity(version, hostID) {
		return 0, "", errors.New("no host id in it")
	}
	return version, hostID, nil
}

// readIdentity returns version and host's id; fs.ErrNotExist without an identity file.
func readIdentity(files vfs.FS, root string) (version int, hostID string, err error) {
	name := filepath.Join(root, identityFile)
	f, err := files.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	b := make([]byte, identityMax)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, "", err
	}
	if version, hostID, err = parseIdentity(string(b[:n])); err != nil {
		return 0, "", fmt.Errorf("read %s: %w", name, err)
	}
	return version, hostID, nil
}

// createIdentity makes a store of an empty directory. The caller holds the lock.
func createIdentity(files vfs.FS, root string) (hostID string, err error) {
	if err := checkEmpty(files, root); err != nil {
		return "", err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("make a host id: %w", err)
	}
	return id.String(), writeIdentity(files, root, id.String())
}

// writeIdentity makes or replaces the identity file, durably: before anything else is in the directory, as without it
// the rest would not be taken for a store.
func writeIdentity(files vfs.FS, root, hostID string) error {
	temp := filepath.Join(root, identityTemp)
	if err := files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(files, temp, []byte(formatIdentity(StoreVersion, hostID))); err != nil {
		return err
	}
	if err := files.Rename(temp, filepath.Join(root, identityFile)); err != nil {
		return err
	}
	return files.SyncDir(root)
}

// RepairIdentity replaces a damaged or missing identity file of a store, whose path is that of cfg, and returns the host's
// id: the one given, or a new one if that is empty. The damaged file is set aside. It refuses a directory without
// interfaces, and a store that is in use, in order, or of a later version.
func RepairIdentity(cfg Config, deps Deps, hostID string) (string, error) {
	s := newStore(cfg, deps)
	id, err := s.repairIdentity(hostID)
	if err != nil {
		return "", fmt.Errorf("repair identity of store %s: %w", cfg.Path, err)
	}
	return id, nil
}

func (s *Store) repairIdentity(hostID string) (string, error) {
	if info, err := s.files.Stat(s.interfacesPath()); err != nil || !info.IsDir() {
		return "", fmt.Errorf("no directory %q: not a store (%w)", interfacesDir, err)
	}
	lock, err := s.files.Lock(filepath.Join(s.root, lockFile), fileMode, fmt.Sprintf("pid %d", os.Getpid()))
	if err != nil {
		return "", err
	}
	defer lock.Close() //nolint:errcheck // nothing was written to it
	_, _, err = readIdentity(s.files, s.root)
	switch {
	case err == nil:
		return "", errors.New("it is in order")
	case errors.Is(err, errFutureVersion):
		return "", err
	case !errors.Is(err, fs.ErrNotExist):
		name := filepath.Join(s.root, identityFile)
		if err := s.files.Rename(name, name+damagedSuffix); err != nil {
			return "", err
		}
	}
	if hostID == "" {
		id, err := uuid.NewRandom()
		if err != nil {
			return "", fmt.Errorf("make a host id: %w", err)
		}
		hostID = id.String()
	}
	if _, err := uuid.Parse(hostID); err != nil {
		return "", fmt.Errorf("host id %q: %w", hostID, err)
	}
	return hostID, writeIdentity(s.files, s.root, hostID)
}

// writeSynced makes a new file that is durable, its name aside.
func writeSynced(files vfs.FS, name string, content []byte) error {
	f, err := files.Create(name, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// checkEmpty refuses a directory with something in it that is not ours, such as another database or a store whose
// identity was lost: what is there might be hidden by what we add.
func checkEmpty(files vfs.FS, root string) error {
	entries, err := files.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockFile, name == identityTemp, name == "lost+found", strings.HasPrefix(name, "."):
		default:
			return fmt.Errorf("%s holds %q and no %s: not an empty directory, not a store", root, name, identityFile)
		}
	}
	return nil
}
