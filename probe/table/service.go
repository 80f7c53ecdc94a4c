package table

import "slices"

// rank says how much a port looks like a service's.
type rank uint8

const (
	rankEphemeral  rank = iota // handed out to initiators: from 32768 (Linux; IANA's dynamic ports are above), or none
	rankRegistered             // may be either
	rankService                // below 1024, or in the table
)

func (p servicePorts) rank(port uint16) rank {
	switch {
	case port == 0:
		return rankEphemeral
	case port < 1024:
		return rankService
	}
	if _, found := slices.BinarySearch(p, port); found {
		return rankService
	}
	if port >= 32768 {
		return rankEphemeral
	}
	return rankRegistered
}

// servicePorts are ports from 1024 on where services listen, sorted.
type servicePorts []uint16

// newServicePorts joins those that everybody knows and those of the operator.
func newServicePorts(own []uint16) servicePorts {
	if len(own) == 0 {
		return services[:]
	}
	all := slices.Concat(services[:], own)
	slices.Sort(all)
	return slices.Compact(all)
}

// services are ports from 1024 on where services listen, by IANA's registry or by custom; sorted. It decides only
// where neither a handshake nor memory does, and only between two ports of which one is listed.
var services = [...]uint16{
	1080,       // SOCKS
	1194,       // OpenVPN
	1433, 1434, // SQL Server
	1521,       // Oracle
	1645, 1646, // RADIUS, old
	1701, 1723, // L2TP, PPTP
	1812, 1813, // RADIUS
	1883,                   // MQTT
	1900,                   // SSDP
	2049,                   // NFS
	2055,                   // NetFlow
	2181,                   // ZooKeeper
	2375, 2376, 2379, 2380, // Docker, etcd
	3000,       // Grafana and web applications
	3128,       // HTTP proxy
	3260,       // iSCSI
	3268, 3269, // Active Directory global catalog
	3306,             // MySQL
	3389,             // RDP
	3478,             // STUN
	3544,             // Teredo
	4222,             // NATS
	4317, 4318, 4500, // OpenTelemetry, IPsec NAT traversal
	4739, 4789, // IPFIX, VXLAN
	5044,       // Logstash
	5060, 5061, // SIP
	5201,       // iperf3
	5222, 5269, // XMPP
	5351, 5353, 5355, // NAT-PMP, mDNS, LLMNR
	5432,                   // PostgreSQL
	5601,                   // Kibana
	5666, 5671, 5672, 5693, // NRPE, AMQP, NCPA
	5900, 5938, // VNC, TeamViewer
	5984, 5985, 5986, // CouchDB, WinRM
	6081, 6343, 6379, 6443, // Geneve, sFlow, Redis, Kubernetes
	6514, 6653, 6667, // syslog over TLS, OpenFlow, IRC
	7946,                   // Docker Swarm
	8000, 8008, 8080, 8081, // HTTP
	8086, 8088, 8089, 8123, // InfluxDB, Splunk, ClickHouse
	8125, 8140, 8145, 8200, // StatsD, Puppet, Weir, Vault
	8300, 8301, 8302, 8443, 8472, 8500, 8600, 8883, 8888, // Consul, HTTPS, VXLAN on Linux, MQTT over TLS, HTTP
	9000, 9042, 9090, 9091, 9092, 9093, 9094, // Cassandra, Prometheus, Kafka
	9100, 9200, 9300, // printers and exporters, Elasticsearch
	9418, 9443, 9993, 9999, 10000, // git, HTTPS, ZeroTier, NDMP
	10050, 10051, // Zabbix
	10250, 10255, // kubelet
	11211,        // memcached
	11434,        // Ollama
	15672,        // RabbitMQ
	25565,        // Minecraft
	27015, 27017, // game servers, MongoDB
	41641, // Tailscale
	51820, // WireGuard
}
