package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// formatIdentity is the text of the identity file.
func formatIdentity(hostID string) string {
	text := fmt.Sprintf("weir-store %d\nhost %s\n", FormatVersion, hostID)
	return text + fmt.Sprintf("check %08x\n", checksum([]byte(text)))
}

// parseIdentity reads the text of the identity file.
func parseIdentity(text string) (hostID string, err error) {
	if !strings.HasPrefix(text, identityFile+" ") {
		return "", errors.New("not an identity of a store")
	}
	body, check := text, ""
	if i := strings.LastIndex(text, "check "); i >= 0 {
		body, check = text[:i], text[i:]
	}
	if check != fmt.Sprintf("check %08x\n", checksum([]byte(body))) {
		return "", errors.New("checksum mismatch")
	}
	first, rest, _ := strings.Cut(body, "\n")
	if version := strings.TrimPrefix(first, identityFile+" "); version != strconv.Itoa(FormatVersion) {
		return "", fmt.Errorf("%w: format %q, this build reads %d", errFutureVersion, version, FormatVersion)
	}
	hostID = strings.TrimSuffix(strings.TrimPrefix(rest, "host "), "\n")
	if _, err := uuid.Parse(hostID); err != nil || text != formatIdentity(hostID) {
		return "", errors.New("no host id in it")
	}
	return hostID, nil
}

// readIdentity returns the host's id; fs.ErrNotExist without an identity file.
func readIdentity(files vfs.FS, root string) (string, error) {
	name := filepath.Join(root, identityFile)
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, identityMax)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	hostID, err := parseIdentity(string(b[:n]))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return hostID, nil
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
	temp := filepath.Join(root, identityTemp)
	if err := files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := writeSynced(files, temp, []byte(formatIdentity(id.String()))); err != nil {
		return "", err
	}
	if err := files.Rename(temp, filepath.Join(root, identityFile)); err != nil {
		return "", err
	}
	// Durable before anything else is in the directory: without it the rest would not be taken for a store.
	return id.String(), files.SyncDir(root)
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
