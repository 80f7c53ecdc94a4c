package wire

import "fmt"

// LimitError says that a query was given up because it needs more of something than the server allows. The server
// answers it with 503 and a Problem.
type LimitError struct {
	What   string // what there is too much of, plural: "groups"
	Limit  int64
	Remedy string // what the asker can do about it, an imperative
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d %s, the limit of this server: %s", e.Limit, e.What, e.Remedy)
}
