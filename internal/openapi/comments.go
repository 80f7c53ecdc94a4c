package openapi

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// comments are those of types and their fields, by "package path.Type" and "package path.Type.Field".
type comments struct{ text map[string]string }

// readComments reads the source of packages of the module, whose root directory is given.
func readComments(root, module string, packages []string) (*comments, error) {
	c := &comments{text: make(map[string]string)}
	for _, path := range packages {
		folder := filepath.Join(root, strings.TrimPrefix(path, module))
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no source of %s in %s: %w", path, folder, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			c.add(path, tree)
		}
	}
	return c, nil
}

func (c *comments) add(path string, file *ast.File) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			declared, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			key := path + "." + declared.Name.Name
			c.text[key] = plain(declared.Doc, general.Doc)
			structure, ok := declared.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range structure.Fields.List {
				for _, name := range field.Names {
					c.text[key+"."+name.Name] = plain(field.Doc, field.Comment)
				}
			}
		}
	}
}

// plain is the text of the first comment that there is, on one line.
func plain(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			return text
		}
	}
	return ""
}

// of is the first sentence about a type, without its Go name where it starts with that.
func (c *comments) of(t reflect.Type) string {
	text := new(doc.Package).Synopsis(c.text[t.PkgPath()+"."+t.Name()])
	for _, verb := range []string{" is ", " are ", " say ", " says ", " of "} {
		if rest, ok := strings.CutPrefix(text, t.Name()+verb); ok && verb != " of " {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return text
}

func (c *comments) field(t reflect.Type, name string) string {
	return c.text[t.PkgPath()+"."+t.Name()+"."+name]
}
