package serve

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/weirflow/weir/pkg/openapi"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/pkg/wire/arrowipc"
)

// whole is an answer that is written when it is complete.
type whole struct {
	w      http.ResponseWriter
	query  *wire.Query
	format wire.Format
}

func (p whole) progress() func(*wire.Result) { return nil }
func (p whole) fail(problem *wire.Problem)   { writeProblem(p.w, problem) }

func (p whole) finish(result *wire.Result) error {
	p.w.Header().Set("Content-Type", p.format.MediaType())
	switch p.format {
	case wire.FormatNDJSON:
		return result.WriteNDJSON(p.w)
	case wire.FormatArrow:
		return arrowipc.Write(p.w, p.query, result)
	}
	return result.WriteJSON(p.w)
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
	if err != nil {
		writeProblem(w, asProblem(err))
		return
	}
	s.answer(w, r, func(_ context.Context, q *wire.Query) sink { return whole{w, q, format} })
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// wantsStream says whether the header Accept names a stream of events first.
func wantsStream(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	name, _, err := mime.ParseMediaType(first)
	return err == nil && name == eventStream
}

// document is GET /openapi.json. goProbe's clients and ours look there for what a server takes.
func document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", openapi.MediaType)
	_, _ = io.WriteString(w, openapi.Document()) // the caller may be gone
}
