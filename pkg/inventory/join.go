package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Named is a list with the name of where it comes from.
type Named struct {
	Source string
	List   *List
}

// Join makes one list of several. Where two entries have the same name, address or id, the first one counts and the
// other is left out: it stands in the faults of its own list, which are those of the answer, by source. Groups are
// resolved; the entries of the answer are in the order of their names.
func Join(lists []Named, most int) (entries []Entry, faults map[string][]string) {
	j := joiner{names: map[string]place{}, urls: map[string]place{}, ids: map[string]place{}, groups: map[string][]string{}, owner: map[string]string{}, faults: map[string][]string{}}
	for _, n := range lists {
		for _, e := range n.List.Entries {
			j.add(n.Source, e, most)
		}
		for _, name := range slices.Sorted(maps.Keys(n.List.Groups)) {
			j.groups[name] = append(j.groups[name], n.List.Groups[name]...)
			j.owner[name] = n.Source
		}
	}
	slices.SortFunc(j.entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	j.resolve()
	return j.entries, j.faults
}

// place is where a name, address or id stood first.
type place struct{ source, name string }

type joiner struct {
	names, urls, ids map[string]place
	entries          []Entry
	groups           map[string][]string // members, by group
	owner            map[string]string   // source of a group
	faults           map[string][]string
	globs            int
}

// maxGlobs bounds the globs in all groups: each is compared with all names.
const maxGlobs = 1000

func (j *joiner) fault(source, format string, arguments ...any) {
	if len(j.faults[source]) < maxFaults {
		j.faults[source] = append(j.faults[source], fmt.Sprintf(format, arguments...))
	}
}

func (j *joiner) add(source string, e Entry, most int) {
	url := strings.ToLower(strings.TrimRight(e.URL, "/"))
	if first, twice := j.names[e.Name]; twice {
		j.fault(source, "%s: a second host with this name, at %s; the first one is from %s", e.Name, e.URL, first.source)
		return
	}
	if first, twice := j.urls[url]; twice {
		j.fault(source, "%s: %s is also the address of %s from %s: what it has would count twice", e.Name, e.URL, first.name, first.source)
		return
	}
	if first, twice := j.ids[e.ID]; twice && e.ID != "" {
		j.fault(source, "%s: has the same id %s as %s from %s: a copied store, or the same host twice", e.Name, e.ID, first.name, first.source)
		return
	}
	if len(j.entries) >= most {
		j.fault(source, "%s: beyond the limit of %d hosts", e.Name, most)
		return
	}
	at := place{source, e.Name}
	j.names[e.Name], j.urls[url], j.ids[e.ID] = at, at, at
	e.Groups = slices.Clone(e.Groups)
	j.entries = append(j.entries, e)
}

// resolve puts hosts into the groups that name them. A group that is part of itself is named, and goes without that
// part.
func (j *joiner) resolve() {
	byName := make(map[string]int, len(j.entries))
	for i, e := range j.entries {
		byName[e.Name] = i
		for _, g := range e.Groups {
			if _, defined := j.groups[g]; !defined {
				j.groups[g] = nil
			}
		}
	}
	inherent := make(map[string][]int)
	for i, e := range j.entries {
		for _, g := range e.Groups {
			inherent[g] = append(inherent[g], i)
		}
	}
	done := make(map[string][]int, len(j.groups))
	for _, name := range slices.Sorted(maps.Keys(j.groups)) {
		j.members(name, nil, byName, inherent, done)
	}
	for name, hosts := range done {
		for _, i := range hosts {
			j.entries[i].Groups = append(j.entries[i].Groups, name)
		}
	}
	for i := range j.entries {
		slices.Sort(j.entries[i].Groups)
		if j.entries[i].Groups = slices.Compact(j.entries[i].Groups); len(j.entries[i].Groups) == 0 {
			j.entries[i].Groups = nil
		}
	}
}

// members finds the hosts of a group; path are the groups that asked for it.
func (j *joiner) members(name string, path []string, byName map[string]int, inherent, done map[string][]int) []int {
	if hosts, ok := done[name]; ok {
		return hosts
	}
	source := j.owner[name]
	set := make(map[int]bool)
	for _, i := range inherent[name] {
		set[i] = true
	}
	path = append(path, name)
	for _, m := range j.groups[name] {
		inner, isGroup := strings.CutPrefix(m, "@")
		at, known := byName[m]
		_, defined := j.groups[inner]
		switch {
		case isGroup && slices.Contains(path, inner):
			j.fault(source, "the groups form a circle: %s", strings.Join(append(path[slices.Index(path, inner):], inner), " → "))
		case isGroup && (!defined || len(path) > maxDepth):
			j.fault(source, "group %s: there is no group @%s, or it is nested too deeply", name, inner)
		case isGroup:
			for _, i := range j.members(inner, path, byName, inherent, done) {
				set[i] = true
			}
		case known:
			set[at] = true
		case !j.match(m, set):
			j.fault(source, "group %s: no host is named %.100q", name, m)
		}
	}
	hosts := slices.Sorted(maps.Keys(set))
	done[name] = hosts
	return hosts
}

// match adds the hosts that a glob matches, and says whether there are any.
func (j *joiner) match(text string, set map[int]bool) (any bool) {
	if !strings.ContainsAny(text, "*?") || j.globs >= maxGlobs {
		return false
	}
	j.globs++
	for i, e := range j.entries {
		if Match(text, e.Name) {
			set[i], any = true, true
		}
	}
	return any
}
