package config

import (
	"slices"
	"strings"
)

// didYouMean suggests the known name nearest to a wrong one, or "" when none is near.
func didYouMean(wrong string, known []string) string {
	if best, ok := nearest(wrong, known); ok {
		return `did you mean "` + best + `"?`
	}
	return ""
}

// nearest finds the known name with the smallest distance, at most about a third of the wrong name's length and never more than three.
func nearest(wrong string, known []string) (string, bool) {
	limit := min(max((len(wrong)+1)/3, 1), 3)
	best, bestDistance := "", limit+1
	for _, name := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best, bestDistance <= limit
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// listed is a short enumeration for a message, sorted.
func listed(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return strings.Join(names, ", ")
}
