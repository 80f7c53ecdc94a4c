// Package wire is the contract: the request and the result that a probe, a gateway and the plugin exchange, the
// kinds of errors, the limits, and the order of rows. It is goProbe v4's HTTP contract, extended; what an
// extension is stands at the member. Nothing here does I/O.
//
// Neighbours: filter parses conditions, queryargs turns requests into command lines, render prints results,
// client and serve carry both over HTTP.
package wire

import "time"

// Request is the body of POST /_query. The zero value of a member means "not given"; Prepare fills in defaults.
type Request struct {
	// Query lists attributes and labels, separated by commas ("sip,dip,dport,proto", "time,iface", "talk_conv").
	Query string `json:"query"`
	// Ifaces selects interfaces: "any", "eth0,eth1", "any,!lo" or "/regex/".
	Ifaces string `json:"ifaces"`
	// QueryHosts selects hosts at a gateway; a probe accepts and ignores it.
	QueryHosts             string `json:"query_hosts,omitempty"`
	QueryHostsResolverType string `json:"query_hosts_resolver_type,omitempty"`
	// Hostname and HostID are accepted for compatibility, without effect.
	Hostname string `json:"hostname,omitempty"`
	HostID   uint   `json:"host_id,omitempty"`
	// Condition is a text in the condition language; empty means every flow.
	Condition string `json:"condition,omitempty"`
	// In, Out and Sum choose the direction that counts for sorting and for text columns; none of them: both.
	In  bool `json:"in,omitempty"`
	Out bool `json:"out,omitempty"`
	Sum bool `json:"sum,omitempty"`
	// First and Last bound the time stamps (interval ends), both inclusive, in any format of goProbe.
	First string `json:"first,omitempty"`
	Last  string `json:"last,omitempty"`
	// TimeResolution is "auto" or a duration; bins are stamped with their end. Only with time in Query.
	TimeResolution string `json:"time_resolution,omitempty"`
	// Format is accepted for compatibility: the answer's format is chosen by Accept.
	Format string `json:"format,omitempty"`
	// SortBy is "bytes", "packets" or "time".
	SortBy        string `json:"sort_by,omitempty"`
	SortAscending bool   `json:"sort_ascending,omitempty"`
	// NumResults is the greatest number of rows of the answer; with Series, the number of groups.
	NumResults    int64          `json:"num_results,omitempty"`
	DNSResolution *DNSResolution `json:"dns_resolution,omitempty"`
	// MaxMemPct, LowMem and Caller: see docs/API.md, table of compatibility members.
	MaxMemPct int    `json:"max_mem_pct,omitempty"`
	LowMem    bool   `json:"low_mem,omitempty"`
	Caller    string `json:"caller,omitempty"`
	// KeepAlive asks for a sign of life on a stream at least this often.
	KeepAlive time.Duration `json:"keepalive,omitempty"`
	// Live adds the current interval, not yet written, if Last reaches into it.
	Live bool `json:"live,omitempty"`

	// Merge groups only by what Query names, across interfaces and hosts (extension; goProbe never merges).
	Merge bool `json:"merge,omitempty"`
	// Series makes NumResults count groups without their time: the top groups, each with all its bins (extension).
	Series bool `json:"series,omitempty"`
	// Other asks for the sum of what the limit cut off (extension).
	Other bool `json:"other,omitempty"`
	// Compare asks for what each row's group counted in the same span so much earlier: a length of time such as "1d"
	// or "1w", or "previous" for the span that ends where this one starts (extension).
	Compare string `json:"compare,omitempty"`
	// Actors keeps the flows of which an address, of either side, is in a set (extension).
	Actors *Actors `json:"actors,omitempty"`
	// Explain asks how the answer was found, in Summary.Explain (extension).
	Explain bool `json:"explain,omitempty"`
	// Dedupe says how what several hosts saw of a group is joined where rows are merged over hosts: "sum" (default) or
	// "max" (extension).
	Dedupe string `json:"dedupe,omitempty"`
	// Threshold drops the groups whose sum, the one they are ranked by, is below it (extension).
	Threshold *uint64 `json:"threshold,omitempty"`
	// Groups are the only groups that count, at most MaxGroups (extension).
	Groups []Group `json:"groups,omitempty"`
	// Seen asks for the ends of the first and of the last interval in which each row's group was counted; not with time in
	// Query, whose rows have a time already (extension).
	Seen bool `json:"seen,omitempty"`
	// IfVersion is the data_version of an answer to the same question that the asker has: if it still is the answer, it is
	// not made again, and Result.Unchanged says so (extension).
	IfVersion string `json:"if_version,omitempty"`
	// Enrich asks for the country and the network operator of the addresses in the rows, in Summary.Enrichment; only
	// servers that have files of them do it (extension).
	Enrich bool `json:"enrich,omitempty"`
}

// Actors is a set of addresses: one that the server knows by name, or one given with the request. Exactly one member
// is given.
type Actors struct {
	// List is the name of a list that the server knows, as in the condition "host in @NAME".
	List string `json:"list,omitempty"`
	// Set are addresses, networks and ranges: "192.0.2.1", "2001:db8::/32", "10.0.0.1-10.0.0.9".
	Set []string `json:"set,omitempty"`
}

// DNSResolution asks for names beside addresses.
type DNSResolution struct {
	Enabled bool          `json:"enabled"`
	Timeout time.Duration `json:"timeout,omitempty"`
	MaxRows int           `json:"max_rows,omitempty"`
}
