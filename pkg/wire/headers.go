package wire

// Headers of requests between servers (extensions).
const (
	// PathHeader lists the identities of the servers that a request came through, separated by commas, the first asker
	// first. A server that finds itself there refuses: the inventories form a loop.
	PathHeader = "X-Weir-Path"
	// TimeoutHeader is how many milliseconds the asker waits: what takes longer is of no use to it.
	TimeoutHeader = "X-Weir-Timeout"
)

// MaxPath is how many servers a request may come through.
const MaxPath = 8

// ProblemLoop is the type of a problem that says that a query came back to a server it came through.
const ProblemLoop = "urn:weir:problem:loop"
