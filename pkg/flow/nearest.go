package flow

// Nearest returns the candidate closest to the word that was typed, for "did you mean" hints: at most two edits
// away (one for words of up to four letters), where exchanging two neighbours is one edit. Words longer than
// 64 bytes are not compared.
func Nearest(word string, candidates []string) (string, bool) {
	limit := 2
	if len(word) <= 4 {
		limit = 1
	}
	if len(word) == 0 || len(word) > 64 {
		return "", false
	}
	best, bestDistance := "", limit+1
	for _, c := range candidates {
		if len(c) > 64 || len(c) > len(word)+limit || len(word) > len(c)+limit {
			continue
		}
		if d := distance(word, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best, bestDistance <= limit
}

// distance is the optimal string alignment distance of two short byte strings.
func distance(a, b string) int {
	var rows [3][65]int
	before, previous, current := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
