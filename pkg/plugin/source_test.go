package plugin

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

const module = "github.com/weirflow/weir/"

// forbidden are packages that no source of the plugin may import, forbiddenCalls the calls of those it may.
var (
	forbidden = map[string]bool{
		"os/exec": true, "os/user": true, "os/signal": true, "unsafe": true, "plugin": true, "io/ioutil": true,
		"golang.org/x/sys/unix": true, "net/rpc": true, "path/filepath": true, "embed": true,
	}
	forbiddenCalls = map[string]string{
		"os": "Open OpenFile OpenRoot OpenInRoot Create CreateTemp ReadFile WriteFile ReadDir DirFS Stat Lstat Mkdir MkdirAll MkdirTemp Remove RemoveAll " +
			"Rename Chmod Getenv LookupEnv Environ ExpandEnv Setenv StartProcess FindProcess Getwd Hostname UserHomeDir",
		"net": "DialUnix ListenUnix ListenUnixgram",
	}
)

// TestPluginTouchesNothingOfItsMachine reads the source of everything the plugin consists of: it opens no file,
// starts no process and reads no environment, and of this module it takes nothing but pkg/.
func TestPluginTouchesNothingOfItsMachine(t *testing.T) {
	seen := map[string]bool{}
	for queue := []string{"pkg"}; len(queue) > 0; queue = queue[1:] {
		dir := queue[0]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		for _, file := range parse(t, dir) {
			inspect(t, dir, file)
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if forbidden[path] {
					t.Errorf("%s imports %s", dir, path)
				}
				if ours, ok := strings.CutPrefix(path, module); ok {
					if !strings.HasPrefix(ours, "pkg/") {
						t.Errorf("%s imports %s", dir, path)
					}
					queue = append(queue, ours)
				}
			}
		}
	}
	if seen["pkg/enrich"] {
		t.Error("the plugin has pkg/enrich, which reads files: gateways do that")
	}
	for _, part := range []string{
		"pkg/plugin", "pkg/frames", "pkg/reports", "pkg/client", "pkg/fleet", "pkg/wire", "pkg/filter", "pkg/flow", "pkg/inventory", "pkg/natshttp", "pkg/resolve",
	} {
		if !seen[part] {
			t.Errorf("%s was not looked at", part)
		}
	}
}

// parse reads the sources of a package, without its tests.
func parse(t *testing.T, dir string) []*ast.File {
	t.Helper()
	root := filepath.Join(testenv.Root(), filepath.FromSlash(dir))
	var files []*ast.File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root:
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// inspect finds forbidden calls, by whatever name the package was imported.
func inspect(t *testing.T, dir string, file *ast.File) {
	t.Helper()
	names := map[string]string{} // local name to package
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if base, ok := selector.X.(*ast.Ident); ok {
			// Of syscall, the numbers that tell errors apart are all that is used.
			if name := selector.Sel.Name; names[base.Name] == "syscall" && name != strings.ToUpper(name) {
				t.Errorf("%s uses syscall.%s", dir, name)
			}
			for _, call := range strings.Fields(forbiddenCalls[names[base.Name]]) {
				if call == selector.Sel.Name {
					t.Errorf("%s uses %s.%s", dir, names[base.Name], call)
				}
			}
		}
		return true
	})
}
