package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Formats of lists that are published: FireHOL's netsets, Spamhaus' DROP as text and as JSON lines, abuse.ch's Feodo
// Tracker. What they say of themselves (of when they are, how many entries they have) is held against what was read.

// isFireHOL knows a netset by the kind of set that its header names: "ipv4 hash:net ipset".
func isFireHOL(h *head) bool {
	return strings.Contains(h.comments, "ipset") && strings.Contains(h.comments, "hash:")
}

// newFireHOL reads a netset: an address or prefix a line; the first word that stands alone in the header is its name.
func newFireHOL(p *parser) lineReader {
	name := ""
	return func(line string) (string, Entry, error) {
		comment, isComment := strings.CutPrefix(line, "#")
		if !isComment {
			text, _, err := readPlain(line)
			return text, Entry{Label: name, Source: "FireHOL"}, err
		}
		comment = strings.TrimSpace(comment)
		key, value, titled := strings.Cut(comment, ":")
		value = strings.TrimSpace(value)
		switch key = strings.TrimSpace(key); {
		case !titled && name == "" && comment != "" && !strings.Contains(comment, " "):
			name = comment
		case titled && (key == "This File Date" || key == "Source File Date"):
			if t, err := time.Parse("Mon Jan _2 15:04:05 MST 2006", value); err == nil && t.After(p.health.Updated) {
				p.health.Updated = t.UTC()
			}
		case titled && key == "Entries": // "4512 unique IPs", "2193 subnets, 613207552 unique IPs"
			p.claim(strings.ReplaceAll(strings.Fields(value + " x")[0], ",", ""))
		}
		return "", Entry{}, nil
	}
}

// claim notes how many entries a list says that it has.
func (p *parser) claim(text string) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		p.claimed, p.claims = n, true
	}
}

func isDrop(h *head) bool { return strings.Contains(h.comments, "Spamhaus") }

// newDrop reads Spamhaus' DROP: a prefix, and after a semicolon the number of the listing.
func newDrop(p *parser) lineReader {
	return func(line string) (string, Entry, error) {
		text, comment, _ := strings.Cut(line, ";")
		text, comment = strings.TrimSpace(text), strings.TrimSpace(comment)
		if text != "" && !strings.HasPrefix(text, "#") {
			text, _, err := readPlain(text)
			return text, Entry{Label: comment, Source: "Spamhaus DROP"}, err
		}
		key, value, _ := strings.Cut(comment, ":")
		if t, err := time.Parse(time.RFC1123, strings.TrimSpace(value)); err == nil {
			switch key {
			case "Last-Modified":
				p.health.Updated = t.UTC()
			case "Expires":
				p.health.Expires = t.UTC()
			}
		}
		return "", Entry{}, nil
	}
}

func isDropJSON(h *head) bool {
	return strings.HasPrefix(h.first, "{") && (strings.Contains(h.first, `"cidr"`) || strings.Contains(h.first, `"sblid"`))
}

// newDropJSON reads Spamhaus' DROP as JSON lines; the last one is about the list.
func newDropJSON(p *parser) lineReader {
	return func(line string) (string, Entry, error) {
		if line == "" {
			return "", Entry{}, nil
		}
		var record struct {
			CIDR      string `json:"cidr"`
			SBL       string `json:"sblid"`
			Type      string `json:"type"`
			Timestamp int64  `json:"timestamp"`
			Records   *int   `json:"records"`
		}
		decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
		if err := decoder.Decode(&record); err != nil || decoder.More() {
			return "", Entry{}, fmt.Errorf("the line is no JSON object as in Spamhaus' DROP")
		}
		if record.Type == "metadata" {
			if record.Timestamp > 0 {
				p.health.Updated = time.Unix(min(record.Timestamp, 1<<36), 0).UTC()
			}
			if record.Records != nil {
				p.claim(strconv.Itoa(*record.Records))
			}
			return "", Entry{}, nil
		}
		if record.CIDR == "" {
			return "", Entry{}, fmt.Errorf("the object has no member cidr")
		}
		return record.CIDR, Entry{Label: record.SBL, Source: "Spamhaus DROP"}, nil
	}
}

func isFeodo(h *head) bool {
	return strings.Contains(h.comments, "Feodo Tracker") && strings.Contains(h.first, ",")
}

// newFeodo reads the Feodo Tracker's table, whose ports are of TCP and whose comments say of when it is.
func newFeodo(p *parser) lineReader {
	read := newCSV(p)
	return func(line string) (string, Entry, error) {
		if strings.HasPrefix(line, "#") {
			_, value, found := strings.Cut(line, "Last updated:")
			value = strings.TrimSpace(strings.TrimRight(value, "# "))
			if t, err := time.Parse("2006-01-02 15:04:05 MST", value); found && err == nil {
				p.health.Updated = t.UTC()
			}
			return "", Entry{}, nil
		}
		text, e, err := read(line)
		e.Source = "Feodo Tracker"
		if e.Port > 0 {
			e.Protocol = 6
		}
		return text, e, err
	}
}
