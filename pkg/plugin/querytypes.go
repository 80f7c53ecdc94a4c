package plugin

// The kinds of queries; each has a file of its name.
const (
	typeTable       = "table"
	typeSeries      = "timeseries"
	typeActors      = "actors"
	typePath        = "path"
	typeAsymmetry   = "asymmetry"
	typeGraph       = "nodegraph"
	typeHosts       = "hosts"
	typeVariable    = "variable"
	typeAnnotations = "annotations"
)

// queryType is what the model has to know of a kind of query.
type queryType struct {
	// limit is the default, maximum the bound of the number of rows, series, edges, values.
	limit, maximum int64
	attributes     []string // default
	unit           string   // default
	// options are the members beyond those that every type honours (servers, hosts, interfaces, condition, limit,
	// strict, debug, frame) and those that are its subject (a, b, actors, variable, label, attributes, direction, value, unit).
	options []string
	// frames are the names of those of the answer, if there are several; that of debug comes on top.
	frames []string
}

// frameDebug is the name of the frame on what each host did.
const frameDebug = "debug"

// queryTypes lists the kinds in the order of the editor. A thousand series are past what a graph can show, a hundred
// thousand rows past what a browser paints.
func queryTypes() []string {
	return []string{typeTable, typeSeries, typeActors, typePath, typeAsymmetry, typeGraph, typeHosts, typeVariable, typeAnnotations}
}

func lookupType(name string) (queryType, bool) {
	flow := []string{"sip", "dip", "dport", "proto"}
	switch name {
	case typeTable:
		return queryType{25, 100_000, flow, unitTotal,
			[]string{"sort", "ascending", "resolution", "other", "compare", "resolve", "enrich", "dedupe"}, nil}, true
	case typeSeries:
		return queryType{10, 1_000, flow, unitRate,
			[]string{"sort", "ascending", "resolution", "other", "compare", "mirror", "resolve", "dedupe"}, nil}, true
	case typeActors:
		return queryType{100, 10_000, nil, unitTotal, []string{"resolve"}, []string{"actors", "answer"}}, true
	case typePath:
		return queryType{1_000, 10_000, nil, unitTotal, nil, []string{"views", "services", "answer"}}, true
	case typeAsymmetry:
		return queryType{25, 10_000, nil, unitTotal, []string{"resolve"}, []string{"pairs", "answer"}}, true
	case typeGraph:
		return queryType{50, 1_000, flow[:2], unitTotal, []string{"sort", "ascending", "resolve", "enrich", "dedupe"}, nil}, true
	case typeHosts:
		return queryType{1_000, 10_000, nil, unitTotal, nil, nil}, true
	case typeVariable:
		return queryType{1_000, 10_000, nil, unitTotal, nil, nil}, true
	case typeAnnotations:
		return queryType{100, 10_000, flow, unitTotal, []string{"resolution", "resolve", "dedupe"}, nil}, true
	}
	return queryType{}, false
}
