package dashboards

// chosenHosts are the hosts that the variables company, customer and host choose.
const chosenHosts = "company=$company,customer=$customer,$host"

// allHosts and allLabels are the values of "All": every host, and every label with hosts that have none.
const (
	allHosts  = "any"
	allLabels = "*"
)

// dataSource is first in every dashboard: the others ask it.
func dataSource() object {
	return object{"name": "ds", "label": "Data source", "type": "datasource", "query": pluginID, "current": object{}, "refresh": 1, "hide": 0,
		"options": []object{}, "multi": false, "includeAll": false, "regex": ""}
}

// cascade are the variables that choose hosts and interfaces; each lists what the ones before leave.
func cascade() []object {
	return []object{
		dataSource(),
		list("company", "Company", allLabels, object{"variable": "labelValues", "label": "company"}),
		list("customer", "Customer", allLabels, object{"variable": "labelValues", "label": "customer", "hosts": "company=$company"}),
		list("host", "Host", allHosts, object{"variable": "hosts", "hosts": "company=$company,customer=$customer"}),
		list("iface", "Interfaces", allHosts, object{"variable": "interfaces", "hosts": chosenHosts}),
	}
}

// list is a variable that the data source lists; several values may be chosen, and all.
func list(name, label, all string, members object) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": source(), "query": variable(members), "refresh": 1, "hide": 0, "sort": 0, "regex": "",
		"multi": true, "includeAll": true, "allValue": all, "options": []object{},
		"current": object{"text": []string{"All"}, "value": []string{"$__all"}},
	}
}

func variable(members object) object {
	q := object{"refId": "variable", "version": 2, "queryType": "variable", "servers": []string{}, "hosts": "", "interfaces": "any"}
	for name, value := range members {
		q[name] = value
	}
	return q
}

// attributes is what rows are grouped by.
func attributes(chosen ...string) object {
	return object{
		"name": "attributes", "label": "Attributes", "type": "query", "datasource": source(), "query": variable(object{"variable": "attributes"}),
		"refresh": 1, "hide": 0, "sort": 0, "regex": "", "multi": true, "includeAll": false, "options": []object{},
		"current": object{"text": chosen, "value": chosen},
	}
}

// text is a variable to type into.
func text(name, label, value, help string) object {
	choice := object{"text": value, "value": value}
	return object{"name": name, "label": label, "type": "textbox", "query": value, "description": help, "hide": 0, "current": choice,
		"options": []object{{"text": value, "value": value, "selected": true}}}
}

func condition() object {
	return text("condition", "Condition", "", "Such as: dport = 443 & sip = 10.0.0.0/8. Empty: every flow.")
}

// choice is one of a few fixed values; the first one is chosen.
func choice(name, label, help string, values ...[2]string) object {
	options := make([]object, len(values))
	query := ""
	for i, v := range values {
		options[i] = object{"text": v[0], "value": v[1], "selected": i == 0}
		if i > 0 {
			query += ","
		}
		if query += v[0]; v[0] != v[1] {
			query += " : " + v[1]
		}
	}
	return object{"name": name, "label": label, "type": "custom", "query": query, "description": help, "hide": 0, "multi": false, "includeAll": false,
		"options": options, "current": object{"text": values[0][0], "value": values[0][1]}}
}

func top() object {
	return choice("top", "Top", "How many rows.", [2]string{"25", "25"}, [2]string{"10", "10"}, [2]string{"50", "50"}, [2]string{"100", "100"}, [2]string{"1000", "1000"})
}

func resolve() object {
	return choice("resolve", "Reverse lookup", "Names beside addresses, from the DNS.", [2]string{"off", "false"}, [2]string{"on", "true"})
}
