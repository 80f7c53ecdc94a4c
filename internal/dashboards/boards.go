package dashboards

// global is the view that answers most questions: what went on, by any attributes, on any hosts.
func global() Dashboard {
	return Dashboard{
		UID: "weir-global", Title: "Global view", Range: "now-6h",
		Description: "Who talked to whom on the chosen hosts and interfaces: the largest flows, over time and in total.",
		Variables:   append(cascade(), attributes("sip", "dip", "dport", "proto"), condition(), top(), resolve()),
		Panels: []panel{
			row("Over time"),
			graph("Traffic by host", "Received above the axis, sent below, as seen by the interfaces of each host. What two hosts say to each other counts at both.", 12, 9,
				query("timeseries", object{"attributes": []string{"host"}, "limit": 10, "unit": "rate", "mirror": true, "other": true})),
			graph("Top groups", "The groups of the chosen attributes with the most traffic, and the rest.", 12, 9,
				query("timeseries", object{"attributes": []string{"$attributes"}, "limit": 10, "unit": "rate", "other": true})),
			row("In total"),
			table("Results", "Click a cell to go on from there: to the actor, the path, the host, or these flows alone.", width, 14, "",
				query("table", object{"attributes": []string{"host", "iface", "$attributes"}, "limit": "$top", "resolve": "$resolve", "sort": "bytes"})),
			table("Services", "Traffic by port and protocol.", 12, 9, "", query("table", object{"attributes": []string{"dport", "proto"}, "limit": 15})).hidden("packets"),
			table("Verdicts", "What became of connection attempts. Unanswered is usually a filter on the way.", 12, 9, "", query("table", object{"attributes": []string{"verdict"}, "limit": 10})).
				hidden("bytes_received", "bytes_sent", "packets", "share"),
			{kind: "nodeGraph", title: "Who talks to whom", help: "The largest conversations. A ring shows what became of attempts.", width: width, height: 16,
				options: object{"layoutAlgorithm": "force"}, query: query("nodegraph", object{"attributes": []string{"sip", "dip"}, "limit": 12})},
			row("Query debugging"),
			table("What each host did", "State, time, rows and bytes read of every host that was asked.", width, 8, "debug",
				query("table", object{"attributes": []string{"$attributes"}, "limit": "$top"})),
		},
	}
}

// actors answers: am I affected?
func actors() Dashboard {
	return Dashboard{
		UID: "weir-actors", Title: "Actors", Range: "now-7d",
		Description: "Has one of these addresses touched any system? Where, when, how often, and what became of it.",
		Variables: append(cascade(),
			text("actors", "Actors", "192.0.2.1", "Addresses and networks separated by commas, or a list that the servers know: @name"), condition(), resolve()),
		Panels: []panel{
			sentence("Answer", "With what the data cover: an answer without hits counts as far as that reaches.", query("actors", object{"actors": "$actors"})).
				hidden("list"), // its digest
			table("Actors", "Blocked are attempts without an answer: usually a filter, sometimes a host that is not there.", width, 10, "actors", query("actors", object{"actors": "$actors", "limit": 1000})).
				exactly(nameColumn, "actor", "hosts", "ports", "systems").times("first_seen", "last_seen").attempts().
				hidden("packets", "from_actor", "to_actor", "host_count", "interfaces", "port_count", "system_count", "at_least"),
			row("Traffic with them"),
			graph("Over time", "Bits per second with all of the actors, by host.", width, 8,
				query("timeseries", object{"attributes": []string{"host"}, "condition": "host in ($actors) & $condition", "limit": 10, "other": true, "mirror": true})),
			table("Flows", "The largest flows with them.", width, 12, "",
				query("table", object{"attributes": []string{"host", "iface", "sip", "dip", "dport", "proto", "verdict"}, "condition": "host in ($actors) & $condition", "limit": 50, "resolve": "$resolve"})).
				exactly(nameColumn, "host", "sip", "dip", "share").attempts().figures("proto", "rtt").hidden("bytes_received", "bytes_sent", "packets"),
		},
	}.titled("Actors", "unanswered", "Blocked")
}

// path answers: did A access B, and was it blocked?
func path() Dashboard {
	ends := object{"a": "$a", "b": "$b"}
	return Dashboard{
		UID: "weir-path", Title: "Path A ↔ B", Range: "now-24h",
		Description: "Did A access B? Who saw which direction, when, how much, and what became of the attempts.",
		Variables: append(cascade(), text("a", "A", "10.0.0.0/8", "Address, network or host name."),
			text("b", "B", "0.0.0.0/0", "Address, network or host name."), condition()),
		Panels: []panel{
			sentence("Answer", "", query("path", ends)),
			table("By service", "Joined over all hosts; a flow that several hosts saw counts once.", width, 8, "services", query("path", ends)).times("first_seen", "last_seen").exactly(textColumn, "points").attempts().figures("initiator").
				hidden("packets_a_to_b", "packets_b_to_a", "packets"),
			table("By host and interface", "Sides says whether this interface saw both directions, or one.", width, 10, "views", query("path", ends)).exactly(nameColumn, "host", "sides", "sources", "destinations").times("first_seen", "last_seen").attempts().figures("service", "initiator", "verdict").
				hidden("packets_a_to_b", "packets_b_to_a", "packets_received", "packets_sent", "flows"),
			row("Over time"),
			graph("Traffic between A and B", "Received above the axis, sent below.", width, 9,
				query("timeseries", object{"attributes": []string{"host", "iface"}, "condition": "((sip = $a & dip = $b) | (sip = $b & dip = $a)) & $condition", "limit": 12, "mirror": true})),
		},
	}.titled("By service", "unanswered", "Blocked").titled("By host and interface", "unanswered", "Blocked")
}

// asymmetry answers: is routing asymmetric?
func asymmetry() Dashboard {
	return Dashboard{
		UID: "weir-asymmetry", Title: "Asymmetry", Range: "now-24h",
		Description: "Conversations of which one direction was seen here and the other elsewhere, or nowhere.",
		Variables:   append(cascade(), condition(), top()),
		Panels: []panel{
			sentence("Answer", "", query("asymmetry", object{"limit": "$top"})),
			table("Pairs", "Forward is from the source, backward from the destination. Points are the host and interface that saw a direction.", width, 16, "pairs",
				query("asymmetry", object{"limit": "$top"})).names("sip", "dip", "kind").texts("forward_points", "backward_points", "both_points", "text"),
		},
	}
}

// hogs answers: who uses up the links?
func hogs() Dashboard {
	return Dashboard{
		UID: "weir-hogs", Title: "Bandwidth hogs", Range: "now-6h",
		Description: "Who uses most of the links, over time and in total. Choose the interfaces of the WAN.",
		Variables:   append(cascade(), condition(), top(), resolve()),
		Panels: []panel{
			graph("Links", "Received above the axis, sent below.", 12, 9,
				query("timeseries", object{"attributes": []string{"host", "iface"}, "limit": 10, "mirror": true, "other": true})),
			graph("Top talkers", "Conversations by their initiator, and the rest.", 12, 9,
				query("timeseries", object{"attributes": []string{"sip"}, "limit": 10, "other": true})),
			table("Average rate by source and link", "Over the whole range. The provisioned alert rule asks the same.", 18, 10, "",
				query("table", object{"attributes": []string{"sip", "host", "iface"}, "limit": "$top", "unit": "average", "resolve": "$resolve"})),
			graph("Services", "By port and protocol.", 6, 10, query("timeseries", object{"attributes": []string{"dport", "proto"}, "limit": 10, "other": true})),
			table("Conversations", "Compared with the span of the same length before.", width, 12, "",
				query("table", object{"attributes": []string{"sip", "dip", "dport", "proto"}, "limit": "$top", "compare": "previous", "resolve": "$resolve"})),
		},
	}
}

// host is everything about one host.
func host() Dashboard {
	return Dashboard{
		UID: "weir-host", Title: "Host", Range: "now-6h",
		Description: "What one host's interfaces saw, and how its probe is.",
		Variables:   append(cascade(), condition(), top(), resolve()),
		Panels: []panel{
			hostStates("State", "", 6),
			graph("Interfaces", "Received above the axis, sent below.", width, 9,
				query("timeseries", object{"attributes": []string{"host", "iface"}, "limit": 12, "mirror": true})),
			table("Talkers", "", width, 10, "", query("table", object{"attributes": []string{"sip", "dip"}, "limit": "$top", "resolve": "$resolve"})),
			table("Services", "", width, 10, "", query("table", object{"attributes": []string{"dport", "proto", "verdict"}, "limit": "$top"})),
		},
	}
}

// fleetHealth says whether the others can be believed.
func fleetHealth() Dashboard {
	return Dashboard{
		UID: "weir-fleet", Title: "Fleet health", Range: "now-24h",
		Description: "Which hosts answer, how far their data reach, and what they lost.",
		Variables:   cascade(),
		Panels: []panel{
			hostStates("Hosts", "Worst first. Age is how old the newest data are; dropped are packets that the kernel could not hand over.", 12),
			row("What they record"),
			graph("Packets by host", "A gap is time without data.", 12, 9, query("timeseries", object{"attributes": []string{"host"}, "value": "packets", "limit": 20, "other": true})),
			table("What each host did", "To answer a query over this range.", 12, 9, "debug", query("table", object{"attributes": []string{"host"}, "limit": 1000})),
		},
	}.without("condition")
}

// titled gives a field of a table another title.
func (d Dashboard) titled(panel, field, title string) Dashboard {
	for i := range d.Panels {
		if p := &d.Panels[i]; p.title == panel {
			p.overrides = append(p.overrides, column(field, property("displayName", title)))
		}
	}
	return d
}

// without takes a member that a variable would fill out of the queries of a dashboard that lacks the variable.
func (d Dashboard) without(member string) Dashboard {
	for _, p := range d.Panels {
		if p.query != nil {
			p.query[member] = ""
		}
	}
	return d
}
