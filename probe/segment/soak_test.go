//go:build soak

package segment

import "testing"

// TestEveryBitCounts flips every bit of a segment of some twenty kilobytes.
func TestEveryBitCounts(t *testing.T) {
	whole, byChunk := small(t, 800)
	for i := range whole {
		for bit := range 8 {
			whole[i] ^= 1 << bit
			checkDamaged(t, whole, byChunk, i)
			whole[i] ^= 1 << bit
		}
	}
}
