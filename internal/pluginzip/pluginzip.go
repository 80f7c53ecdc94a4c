// Package pluginzip makes the archive in which the plugin is handed out, and checks one as Grafana's own validator would
// on the way into the catalog: what it refuses would be refused there, or would not start.
//
// The layout is that of Grafana's packaging: one folder with the plugin's id as its name, in it the front end, plugin.json, README,
// changelog, licence and a binary for each platform. There is no MANIFEST.txt, which signing adds.
package pluginzip

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Platforms are those that have a binary, as GOOS_GOARCH.
func Platforms() []string {
	return []string{"linux_amd64", "linux_arm64", "linux_arm", "darwin_amd64", "darwin_arm64", "windows_amd64"}
}

// Binary is the name of a platform's binary.
func Binary(executable, platform string) string {
	name := executable + "_" + platform
	if strings.HasPrefix(platform, "windows_") {
		name += ".exe"
	}
	return name
}

// Name is the id of the plugin in a folder, and what its archive has to be called: ID-VERSION.zip.
func Name(dist fs.FS) (id, archive string, err error) {
	text, err := fs.ReadFile(dist, "plugin.json")
	if err != nil {
		return "", "", fmt.Errorf("read plugin.json: %w", err)
	}
	var p plugin
	if err := json.Unmarshal(text, &p); err != nil {
		return "", "", fmt.Errorf("plugin.json: %w", err)
	}
	if p.ID == "" || p.Info.Version == "" {
		return "", "", errors.New("plugin.json has no id or no info.version")
	}
	return p.ID, p.archive(), nil
}

// Pack writes the files of a folder into an archive, below a folder with the plugin's id. Equal files give an equal archive.
func Pack(dist fs.FS, id string, to io.Writer) error {
	archive := zip.NewWriter(to)
	err := fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file", name)
		}
		header := &zip.FileHeader{Name: path.Join(id, name), Method: zip.Deflate, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		header.SetMode(0o644)
		if isBinary(name) {
			header.SetMode(0o755)
		}
		w, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		f, err := dist.Open(name)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		_, err = io.Copy(w, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("pack %s: %w", id, err)
	}
	return archive.Close()
}

func isBinary(name string) bool { return strings.HasPrefix(path.Base(name), "gpx_") }

// PackFile is Pack into a file, which it removes if that fails.
func PackFile(dist fs.FS, id, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = Pack(dist, id, f)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		_ = os.Remove(file)
	}
	return err
}
