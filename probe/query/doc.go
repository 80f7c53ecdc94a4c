// Package query is the engine: it answers a checked query (wire.Query) from the rows of a store and, for live
// queries, of the intervals that are still being counted.
//
// An answer is made in three steps. collect.go opens the segments of the interfaces (view.go), and scans what is in
// none of them row by row: logs, live intervals, other databases. It drops the rows that the condition's row terms
// refuse and sums the others by group (groups.go); those groups are loose beside the segments (loose.go). answer.go,
// and columns.go where there are segments, apply the condition's group terms to complete groups, rank them (rank.go,
// ranking.go), cut at the limit and add up totals and remainder. status.go says in words what was covered and what
// was not, explain.go how it was read.
//
// Segments are read by plan (plan.go). A condition is bound to each segment (condition.go, bind.go, codes.go): terms
// on addresses become ranges of codes in its dictionaries, terms on ports and protocols a set of its services, terms
// on interfaces and hosts yes or no. method.go chooses the cheapest exact way: not at all, from sums by interval, from
// sums by service, from sums by source (sources.go), from the sums of tuples, or from rows. Chunks that cannot match by their bounds or the postings of
// destinations are passed over (mask.go); what is left is decoded, tested in vector loops (scan.go) and added to
// tables (emit.go, table.go). Where a query groups by source, segments are read side by side in ranges of sources,
// each of which is complete, ranked and forgotten (partition.go); else by hash, in as many passes as memory demands
// (hashed.go). Where few tuples can match, dictionaries are read page by page as needed (sparse.go). A series ranks
// its groups without their time first, then reads the bins of those it keeps; a comparison reads the earlier span for
// the rows of the answer alone, and when rows were seen is looked for from both ends of the span (seen.go).
//
// Invariants: an Engine keeps nothing of a query, so that queries run side by side and each gets the answer it
// would get alone. Totals and hits are exact and do not depend on the limit; rows come in the order of
// wire.SortRows, and neither processors nor memory nor the cut of segments change an answer. Every interval counts
// once, be it live, in a log or in a segment (see Source and Viewer). Memory is bounded by Config, time by the context,
// which is looked at for every chunk and every few thousand rows. What cannot be read is lost by the chunk, counted and
// named. Folded rows have no addresses: they match no term on one, and are summed up beside the answer (folded.go).
//
// Below it are flow, filter, wire, segment and store; the agent hands an Engine to the HTTP server, the command line
// uses one over a store.
package query
