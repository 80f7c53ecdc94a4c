package serve

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/weirflow/weir/pkg/wire"
)

// whole is an answer that is written when it is complete.
type whole struct {
	w      http.ResponseWriter
	format wire.Format
}

func (p whole) progress() func(*wire.Result) { return nil }
func (p whole) fail(problem *wire.Problem)   { writeProblem(p.w, problem) }

func (p whole) finish(result *wire.Result) error {
	p.w.Header().Set("Content-Type", p.format.MediaType())
	return writers[p.format](result, p.w)
}

// writers write a result in the formats that a caller can ask for.
var writers = map[wire.Format]func(*wire.Result, io.Writer) error{
	wire.FormatJSON:   (*wire.Result).WriteJSON,
	wire.FormatNDJSON: (*wire.Result).WriteNDJSON,
}

// query is POST /_query, whose answer has the format that Accept asks for.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	w.Header().Add("Vary", "Accept")
	if wantsStream(accept) {
		s.stream(w, r)
		return
	}
	format, err := wire.Negotiate(accept)
	if err == nil && writers[format] == nil {
		err = wire.NewProblem(http.StatusNotAcceptable, "this server does not write "+format.MediaType())
	}
	if err != nil {
		writeProblem(w, asProblem(err))
		return
	}
	s.answer(w, r, func(context.Context, *wire.Query) sink { return whole{w, format} })
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// wantsStream says whether the header Accept names a stream of events first.
func wantsStream(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	name, _, err := mime.ParseMediaType(first)
	return err == nil && name == eventStream
}
