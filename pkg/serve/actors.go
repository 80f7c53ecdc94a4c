package serve

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/wire"
)

const uploadPattern = "POST /_actors"

// list finds what "@NAME" means in a condition: a list that was uploaded, by its name or its hash.
func (s *Server) list(name string) (filter.Set, error) {
	if l := s.lists.Get(name); l != nil {
		return l, nil
	}
	return nil, errors.New("there is no such list here: upload it with POST /_actors")
}

// actorHealths is GET /_actors.
func (s *Server) actorHealths(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string][]actors.Health{"lists": s.lists.Healths()})
}

// actorHealth is GET /_actors/{list}: whether a list is there, by name or hash, so that nobody uploads it in vain.
func (s *Server) actorHealth(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("list")
	l := s.lists.Get(name)
	if l == nil {
		writeProblem(w, wire.NewProblem(http.StatusNotFound, "there is no such list here"))
		return
	}
	h := l.Health()
	if name != h.Hash {
		h.Name = name
	}
	writeJSON(w, h)
}

// uploadActors is POST /_actors: the body is a list, the parameters are format and, for admins, a name. Everybody who
// may query may upload a list and use it by its hash; what a name means is no one asker's to change.
func (s *Server) uploadActors(w http.ResponseWriter, r *http.Request) {
	l, name, problem := s.readList(r)
	fresh := false
	if problem == nil {
		var err error
		if fresh, err = s.lists.Put(l, name); err != nil {
			problem = wire.NewProblem(http.StatusServiceUnavailable, err.Error())
		}
	}
	attributes := []slog.Attr{slog.String("caller", callerOf(r.Context()).name), slog.String("remote", r.RemoteAddr),
		slog.String("trace", traceID(r.Context())), slog.String("name", clip(name))}
	if problem != nil {
		attributes = append(attributes, slog.Int("code", problem.Status), slog.String("reason", clip(problem.Error())))
		s.deps.Logger.LogAttrs(r.Context(), slog.LevelInfo, "list", attributes...)
		writeProblem(w, problem)
		return
	}
	h := l.Health()
	h.Name = name
	s.deps.Logger.LogAttrs(r.Context(), slog.LevelInfo, "list", append(attributes, slog.String("hash", h.Hash),
		slog.Int("entries", h.Entries), slog.String("state", string(h.State)))...)
	body, err := json.Marshal(h)
	if err != nil {
		writeProblem(w, internal())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if fresh {
		w.WriteHeader(http.StatusCreated)
	}
	_, _ = w.Write(body) // the caller may be gone
}

// readList reads and checks what is uploaded.
func (s *Server) readList(r *http.Request) (l *actors.List, name string, p *wire.Problem) {
	query := r.URL.Query()
	name = query.Get("name")
	for parameter := range query {
		if parameter != "name" && parameter != "format" {
			return nil, name, faulty("query."+parameter, parameter, "unknown parameter: known are name and format")
		}
	}
	_, hexadecimal := hex.DecodeString(name)
	switch {
	case name == "":
	case !filter.ValidListName(name):
		return nil, "", faulty("query.name", name, "the name of a list is made of up to 64 letters, digits, dots, dashes and underscores")
	case hexadecimal == nil && len(name) == 64:
		return nil, "", faulty("query.name", name, "the name of a list must not look like the hash of another")
	case callerOf(r.Context()).role != RoleAdmin:
		return nil, name, wire.NewProblem(http.StatusForbidden, "only an admin may give a list a name: leave the name away and use the list by its hash")
	}
	body, err := io.ReadAll(r.Body)
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) || int64(len(body)) > s.cfg.Limits.List {
		return nil, name, wire.NewProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the list is longer than the limit of %d bytes", s.cfg.Limits.List))
	}
	if err != nil {
		return nil, name, wire.NewProblem(http.StatusBadRequest, "the list did not arrive as a whole")
	}
	if l, err = actors.Parse(body, query.Get("format")); err != nil {
		p := faulty("body", nil, err.Error())
		if l != nil {
			for _, f := range l.Health().Faults {
				p.Errors = append(p.Errors, wire.Fault{Location: "body", Value: f.Text, Message: fmt.Sprintf("line %d: %s", f.Line, f.Message)})
			}
		}
		return nil, name, p
	}
	return l, name, nil
}

func faulty(location string, value any, message string) *wire.Problem {
	return wire.NewProblem(http.StatusUnprocessableEntity, "the list is not valid", wire.Fault{Location: location, Value: value, Message: message})
}
