//go:build soak

package meter

// floodFlows is how many spoofed flows TestFlood makes.
const floodFlows = 10_000_000
