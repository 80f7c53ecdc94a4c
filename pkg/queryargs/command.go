package queryargs

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weirflow/weir/pkg/wire"
)

// Command is the line that asks the same as the request, in a POSIX shell with $'…' (POSIX.1-2024, bash, zsh, ksh,
// BusyBox). It says explicitly what the command line would assume otherwise. Left out is what does not decide about
// the rows: format, caller, keepalive, bounds on memory, reverse lookup, members without effect; and tokens, which are
// not part of a request.
func Command(r *wire.Request, o Options) string {
	words := []string{"weir", "query"}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, Quote(value))
		}
	}
	on := func(flag string, value bool) {
		if value {
			words = append(words, flag)
		}
	}
	for _, s := range o.Servers {
		words = append(words, "--server", Quote(s))
	}
	add("-d", o.Directory)
	words = append(words, "-i", Quote(r.Ifaces))
	add("-c", r.Condition)
	first, bin := span(r)
	add("-f", first)
	add("-l", r.Last)
	if r.NumResults != 0 {
		words = append(words, "-n", strconv.FormatInt(r.NumResults, 10))
	}
	add("-s", r.SortBy)
	on("-a", r.SortAscending)
	on("--in", r.In)
	on("--out", r.Out)
	on("--sum", r.Sum)
	add("--resolution", bin)
	on("--merge", r.Merge)
	on("--series", r.Series)
	on("--other", r.Other)
	add("--compare", r.Compare)
	add("--dedupe", r.Dedupe)
	add("--actors", printActors(r.Actors))
	on("--explain", r.Explain)
	on("--seen", r.Seen)
	on("--enrich", r.Enrich)
	add("-q", r.QueryHosts)
	add("--hosts-resolver", r.QueryHostsResolverType)
	if dns := r.DNSResolution; dns != nil && dns.Timeout > 0 {
		add("--lookup-timeout", dns.Timeout.String())
	}
	words = append(words, live(r, o)...)
	if strings.HasPrefix(r.Query, "-") {
		words = append(words, "--")
	}
	return strings.Join(append(words, Quote(r.Query)), " ")
}

// span returns the values of --first and --resolution; empty where the command line assumes what the request means.
func span(r *wire.Request) (first, bin string) {
	first = r.First
	if !hasTime(r.Query) {
		return first, ""
	}
	if blank(first) {
		first = defaultSpan
	}
	switch bin = r.TimeResolution; {
	case blank(bin):
		bin = noBin
	case bin == defaultBin:
		bin = ""
	}
	return first, bin
}

// live returns the flag unless the command line assumes it. Without a place to ask, what it assumes depends on the
// machine where it is typed.
func live(r *wire.Request, o Options) []string {
	known := !untilNow(r.Last) || len(o.Servers) > 0 || o.Directory != ""
	assumed := untilNow(r.Last) && len(o.Servers) > 0
	switch {
	case known && r.Live == assumed:
		return nil
	case r.Live:
		return []string{"--live"}
	}
	return []string{"--live=false"}
}

// Quote makes a text one word for a shell: as it is where that is safe, in single quotes if it prints, else in $'…'
// with octal escapes, which stay on one line and do nothing to a terminal. A NUL, which no word can hold, becomes
// U+FFFD, so that the word is wrong and not another one.
func Quote(text string) string {
	text = strings.ReplaceAll(text, "\x00", "\ufffd")
	switch {
	case isSafe(text):
		return text
	case isPrintable(text):
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRuneInString(text[i:])
		for _, c := range []byte(text[i : i+width]) {
			switch {
			case c == '\'' || c == '\\' || c == '!' || !shows(r, width):
				b.WriteByte('\\')
				b.WriteString(string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7}))
			default:
				b.WriteByte(c)
			}
		}
		i += width
	}
	b.WriteByte('\'')
	return b.String()
}

// isSafe says that no shell gives any part of the word a meaning of its own.
func isSafe(text string) bool {
	if text == "" {
		return false
	}
	for _, r := range text {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("_-./:,@+", r):
		default:
			return false
		}
	}
	return true
}

func isPrintable(text string) bool {
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRuneInString(text[i:])
		if !shows(r, width) {
			return false
		}
		i += width
	}
	return true
}

// shows says that a character takes a place of its own on a terminal and changes nothing else there.
func shows(r rune, width int) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.M, r) && (r != utf8.RuneError || width > 1)
}
