package filter

// docCase is a line of a table in docs/FILTER.md, and a test.
type docCase struct {
	example   string
	canonical string // empty: as the example
	meaning   string
	compared  string // with goProbe
	matches   string // the sample rows or groups
}

const (
	same  = "same"
	added = "new"
)

// docTables are the tables of docs/FILTER.md by the name under which its template calls them.
var docTables = map[string][]docCase{
	"operators": {
		{"dport = 443", "", "equal; also `==`, `===`, `eq`, `-eq`, `equals`", same, "web web6"},
		{"dport EQ 443", "dport = 443", "words are read in any case", same, "web web6"},
		{"proto != tcp", "", "not equal; also `!==`, `ne`, `neq`, `-ne`, `-neq`", same, "dns dns6 ping unreach ping6 esp dhcp"},
		{"dport < 80", "", "below; also `l`, `lt`, `less`, each with or without a dash", "better: no ICMP, see below", "ssh dns dns6 esp dhcp"},
		{"dport -leq 80", "dport <= 80", "at most; also `le`, `leq`, `-le`", "better: no ICMP", "http ssh dns dns6 esp dhcp mapped"},
		{"dport greater 443", "dport > 443", "above; also `g`, `gt`, `-gt`", "better: no ICMP", "alt"},
		{"dport >= 443", "", "at least; also `ge`, `geq`, `-ge`", "better: no ICMP", "web web6 alt"},
		{"dport in (22, 80, 8000-8100)", "", "one of a list of values and ranges", added, "http alt ssh mapped"},
		{"dport not in [22 80]", "dport not in (22, 80)", "none of a list; a comma or white space separates values", added,
			"web web6 alt dns dns6 ping unreach ping6 esp dhcp"},
		{"dport = (80, 22)", "dport in (22, 80)", "`=` and `!=` take lists, too; values are sorted", added, "http ssh mapped"},
		{"dip is multicast", "", "of a class of addresses; also `is not`", added, "ping6"},
	},
	"logic": {
		{"proto = tcp & dport = 80", "(proto = tcp & dport = 80)", "both; also `&&`, `and`, `*`", same, "http mapped"},
		{"dport = 80 | dport = 22", "(dport = 80 | dport = 22)", "at least one; also `||`, `or`, `+`", same, "http ssh mapped"},
		{"!dport = 80", "dport != 80", "the complement; also `not`", same, "web web6 alt ssh dns dns6 ping unreach ping6 esp dhcp"},
		{"not(dport eq 80) and sip!=10.0.0.5", "(dport != 80 & sip != 10.0.0.5)", "NOT binds tighter than AND, AND tighter than OR",
			same, "web6 alt ssh dns6 unreach ping6 esp dhcp"},
		{"dport=22 or dport=80 and proto=tcp", "(dport = 22 | (dport = 80 & proto = tcp))", "so this needs no parentheses", same, "http ssh mapped"},
		{"{dport = 22 | dport = 80} & [sip = 10.0.0.6]", "((dport = 22 | dport = 80) & sip = 10.0.0.6)", "all brackets are alike", same, "http"},
		{"! not dport = 22", "dport = 22", "negations may be repeated", "better: goProbe refuses", "ssh"},
		{"not(proto = tcp | host = 10.0.0.5)", "(proto != tcp & sip != 10.0.0.5 & dip != 10.0.0.5)", "De Morgan's laws hold",
			"better: all families", "dns6 ping6 esp dhcp"},
		{"dport = 22 & !(proto = tcp & dport = 22)", "(dport = 22 & (proto != tcp | dport != 22))", "nothing and its complement have no row in common", same, ""},
	},
	"addresses": {
		{"sip = 10.0.0.5", "", "address of the initiator; also `src`", same, "web dns ping"},
		{"dst = 2001:DB8::80", "dip = 2001:db8::80", "address of the responder; also `dip`", same, "mapped"},
		{"host = 10.0.0.5", "(sip = 10.0.0.5 | dip = 10.0.0.5)", "either of them", same, "web dns ping unreach"},
		{"host != 10.0.0.5", "(sip != 10.0.0.5 & dip != 10.0.0.5)", "neither of them", "better: IPv6 rows are found, too",
			"web6 http alt ssh dns6 ping6 esp dhcp mapped"},
		{"snet = 10.0.0.0/8", "", "network of the initiator; host bits do not matter", same, "web http dns ping unreach"},
		{"sip = 10.128.0.7/9", "snet = 10.128.0.0/9", "networks stand wherever addresses do; any prefix length is right",
			"better: masks what it should", "unreach"},
		{"dnet = 2001:4860::/27", "", "network of the responder", same, "dns6"},
		{"net != 10.0.0.0/8", "(snet != 10.0.0.0/8 & dnet != 10.0.0.0/8)", "neither address is in the network", "better: IPv6 rows are found, too",
			"web6 dns6 ping6 dhcp mapped"},
		{"snet = 0.0.0.0/0", "", "every IPv4 address, and no IPv6 address", same, "web http alt ssh dns ping unreach esp dhcp"},
		{"sip = ::ffff:10.0.0.5", "", "an IPv4-mapped address is an IPv6 address", "better: not an IPv4 address", "mapped"},
		{"sip in (10.0.0.0/30, 192.168.1.10, 2001:db8::5)", "", "a list, of both families if need be", added, "web6 alt"},
		{"sip = 10.0.0.6-10.0.0.250", "sip in (10.0.0.6-10.0.0.250)", "a range, both ends included", added, "http"},
		{"sip not in (10.0.0.0/8, fd00::/8)", "", "none of them", added, "web6 alt ssh ping6 esp dhcp mapped"},
		{"sip is private", "", "a class, see below; also `sip = private`", added, "web http alt dns dns6 ping unreach"},
		{"host is not private", "(sip is not private & dip is not private)", "neither is", added, "web6 ping6 dhcp mapped"},
		{"dip in (public, broadcast)", "", "classes stand in lists, too", added, "web web6 dns dns6 dhcp"},
		{"dip = www.example.org", "", "a host name, looked up once when the query starts; any of its addresses", same, "web web6"},
		{"dip != www.example.org", "", "none of its addresses", "better: goProbe matches everything if there are several",
			"http alt ssh dns ping unreach ping6 esp dhcp mapped dns6"},
		{`dip = "private"`, "", "in quotes, the name of a host and not of a class", added, "http alt ssh ping esp"},
		{"host in @scanners", "(sip in @scanners | dip in @scanners)", "a list of addresses that the server knows by name", added, "ssh ping6"},
	},
	"ports": {
		{"port = 22", "dport = 22", "port of the responder", same, "ssh"},
		{"dport < 1024", "", "a row of ICMP has no port and is not matched", "better: goProbe takes ICMP for port 0", "web web6 http ssh dns dns6 esp dhcp mapped"},
		{"dport != 443", "", "a row of ICMP is not to port 443", same, "http alt ssh dns dns6 ping unreach ping6 esp dhcp mapped"},
		{"!(dport < 1024)", "", "the complement of the above, so ICMP is in it", added, "alt ping unreach ping6"},
		{"proto = tcp & !(dport < 1024)", "(proto = tcp & dport >= 1024)", "where no ICMP can be, the text gets simpler", same, "alt"},
		{"proto = icmp & dport = 2048", "(proto = icmp & dport = 2048)", "where only ICMP can be, its type × 256 + code is compared; this is echo request", added, "ping"},
		{"not (proto = icmp & dport = 2048)", "(proto != icmp | dport != 2048)", "everything but pings", added,
			"web web6 http alt ssh dns dns6 unreach ping6 esp dhcp mapped"},
		{"proto in (icmp, icmp6) & dport in (2048, 32768)", "(proto in (icmp, ipv6-icmp) & dport in (2048, 32768))", "pings of both families", added, "ping ping6"},
		{"protocol = 50", "proto = esp", "a protocol by number or by IANA's name; also `ipproto`", same, "esp"},
		{"proto < 17", "", "protocols are numbers", same, "web web6 http alt ssh ping unreach mapped"},
		{"proto = (udp, 50-51)", "proto in (udp, 50-51)", "lists and ranges", added, "dns dns6 esp dhcp"},
		{"ipversion = 6", "", "the IP version, `4` or `6`", added, "web6 dns6 ping6 mapped"},
	},
	"places": {
		{"iface = eth1", "", "interface that captured; upper and lower case differ", added, "http ssh"},
		{"interface = eth*", "iface = eth*", "`*` stands for any text, `?` for any character", added, "web web6 http alt ssh dns dns6 ping unreach dhcp mapped"},
		{"iface not in (eth0, eth?, wan)", "", "none of them", added, "alt ping6"},
		{`iface = "eth*"`, "", "text in quotes has no wildcards", added, ""},
		{"hostname = FW1.*", "hostname = fw1.*", "host that captured, in any case; `host` means an address", added,
			"web web6 http alt ssh dns dns6 ping unreach ping6 esp dhcp mapped"},
		{"hostid = 3d12ab & dport = 22", "(hostid = 3d12ab & dport = 22)", "the host's identity, in any case", added, "ssh"},
		{"label.company = Acme & dport = 22", "(label.company = Acme & dport = 22)", "a label of the host; upper and lower case differ", added, "ssh"},
		{`label.site = "New "* & dport = 22`, `(label.site = "New "* & dport = 22)`, "pieces that touch are one text, as in a shell", added, "ssh"},
		{`label.country != ""`, "", "a label that is not there is empty", added, ""},
		{"verdict = rejected", "", "what became of the connection attempts: `accepted`, `rejected`, `unanswered`, `n/a`", added, "ssh"},
		{"verdict in (rejected, unanswered) & proto = tcp", "(verdict in (unanswered, rejected) & proto = tcp)", "attempts that did not get through", added, "http ssh"},
	},
	"groups": {
		{"dir = in", "", "packets were received, none sent; also `direction`, `inbound`", same, "received"},
		{"dir = outbound", "dir = out", "packets were sent, none received", same, "sent"},
		{"dir = uni", "", "in one direction only; also `unidirectional`", same, "received sent"},
		{"not dir = bidirectional", "dir != bi", "not in both directions", "better: goProbe has `=` only", "received sent"},
		{"bytes > 1MB", "", "bytes in both directions; kB, MB, GB, TB are powers of 1000", added, "received both"},
		{"bytes_received >= 1 gib", "bytes_received >= 1GiB", "KiB, MiB, GiB, TiB are powers of 1024; also `bytes_sent`", added, "both"},
		{"packets <= 3", "", "also `packets_received`, `packets_sent`; `10k` is 10000", added, "sent"},
		{"rtt > 50ms", "", "mean handshake round-trip time; false where none was measured", added, "both"},
		{"not rtt > 50ms", "!(rtt > 50ms)", "the complement: also where none was measured", added, "received sent quick"},
		{"attempts > 0 & accepts = 0", "(attempts > 0 & accepts = 0)", "also `rejects`, `rtt_sum`, `rtt_count`", added, "sent"},
		{"bytes > 1GB | packets > 1k", "(bytes > 1GB | packets > 1000)", "terms on sums may be joined by OR among themselves", added, "received both"},
	},
}

// docFaults are the faults of goProbe that this package does not share.
var docFaults = []struct{ condition, goprobe, here, matches string }{
	{"sip = 10.200.1.1 | dport = 80", "skips IPv6 rows, because the only address is IPv4", "finds port 80 of both families", "http mapped unreach"},
	{"sip != 10.200.1.1 & proto = udp", "no IPv6 rows", "IPv6 rows match", "dns dns6 dhcp"},
	{"snet = 192.128.0.0/9 | sip = 192.168.1.10", "a network test damages the address for the tests behind it", "order does not matter", "alt"},
	{"sip = 192.168.1.10 | snet = 192.128.0.0/9", "finds it, the other way round", "order does not matter", "alt"},
	{"snet = 32.0.0.0/8 | sip = fe80::1", "finds 2001:db8::, whose first byte is 32", "IPv4 networks match IPv4 only", "ping6"},
	{"dip != www.example.org & proto = tcp", "always true where the name has two addresses", "none of the addresses", "http alt ssh mapped"},
	{"dport = 53 & proto = 17 & dir = bi", "misplaced direction filter", "any place in the AND", "dns dns6"},
	{"! ! dport = 22", "refused", "allowed", "ssh"},
	{"sip = ::ffff:10.0.0.0/104", "crash", "a network of IPv6", "mapped"},
}
