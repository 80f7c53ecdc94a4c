//go:build race

package column

const raceDetector = true
