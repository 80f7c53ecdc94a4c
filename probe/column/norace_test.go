//go:build !race

package column

const raceDetector = false
