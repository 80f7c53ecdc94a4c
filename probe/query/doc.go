// Package query is the engine: it answers a checked query (wire.Query) from the rows of a store and, for live
// queries, of the intervals that are still being counted.
//
// An answer is made in three steps. collect.go scans the sources interface by interface, drops the rows that the
// condition's row terms refuse and sums the others by group (groups.go). answer.go applies the condition's group
// terms to the sums, ranks what is left, cuts it at the limit and adds up totals and remainder (rank.go).
// status.go says in words what was covered and what was not.
//
// Invariants: an Engine keeps nothing of a query, so that queries run side by side and each gets the answer it
// would get alone. Totals and hits are exact and do not depend on the limit; rows come in the order of
// wire.SortRows. Every interval counts once, be it live or stored (see Source). Memory is bounded by
// Config.MaxGroups, time by the context, which is looked at every few thousand rows.
//
// Below it are flow, filter, wire and store; the agent hands an Engine to the HTTP server, the command line uses
// one over a store.
package query
