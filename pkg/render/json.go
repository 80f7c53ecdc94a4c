package render

import (
	"fmt"
	"io"

	"github.com/weirflow/weir/pkg/wire"
)

// JSON writes the result as the contract's object, on one line.
func JSON(w io.Writer, r *wire.Result) error {
	if err := r.WriteJSON(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
