// Package configfile reads a configuration: one YAML text into one struct, strictly. Unknown keys and values that do not
// suit are refused with line, column, and what was probably meant.
//
// Invariants: what the text does not name keeps the value it has; an error is one line; no text causes a panic.
//
// Neighbours: the configurations of probe and gateway are read by it.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/weirflow/weir/pkg/flow"
)

// MaxSize bounds a configuration: it is a page, not a database.
const MaxSize = 1 << 20

// Decode reads the text into a pointer to a struct, which has the defaults.
func Decode(text []byte, into any) (err error) {
	defer func() {
		if fault := recover(); fault != nil { // the YAML library panics on some texts that are none
			err = fmt.Errorf("the text is no valid YAML (%.200s)", strings.Join(strings.Fields(fmt.Sprint(fault)), " "))
		}
	}()
	t := reflect.TypeOf(into).Elem()
	if err := checkValues(text, t); err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField(), yaml.CustomUnmarshaler(readDuration))
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return oneLine(err, t)
	}
	return nil
}

// readDuration reads a duration, be it a text or the number 0, which the library takes for none.
func readDuration(d *time.Duration, node []byte) error {
	var text string
	err := yaml.Unmarshal(node, &text)
	if err == nil {
		*d, err = time.ParseDuration(text)
	}
	return err
}

// oneLine turns the YAML library's error into one line, with the nearest key where one is unknown.
func oneLine(err error, into reflect.Type) error {
	var fault yaml.Error
	if !errors.As(err, &fault) {
		return errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	message := strings.Join(strings.Fields(fault.GetMessage()), " ")
	token := fault.GetToken()
	if token == nil {
		return errors.New(message)
	}
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		message = fmt.Sprintf("unknown key %q", token.Value)
		if near, ok := flow.Nearest(token.Value, keys(into)); ok {
			message += fmt.Sprintf("; did you mean %q?", near)
		}
	}
	return fmt.Errorf("line %d, column %d: %s", token.Position.Line, token.Position.Column, message)
}

// keys lists the keys of a configuration struct at every depth.
func keys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer:
		return keys(t.Elem())
	case reflect.Struct:
		var found []string
		for i := range t.NumField() {
			if name := Key(t.Field(i)); name != "" {
				found = append(append(found, name), keys(t.Field(i).Type)...)
			}
		}
		return found
	}
	return nil
}

// Key is a field's name in the file; empty if it is not read from there.
func Key(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}
