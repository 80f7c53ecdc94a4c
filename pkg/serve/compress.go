package serve

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// smallest is the least answer in bytes that is worth compressing: what fits into the ten packets that TCP sends at once
// (RFC 6928) is there as early as it is, and compressing and unpacking an answer of 25 rows take as long as finding them.
const smallest = 14_000

// compression compresses answers with zstd or gzip where the caller takes it, at the level that keeps up with a network.
// Streams are compressed, too: each event is flushed as a whole.
func compression() (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(smallest), gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.EnableZstd(true), gzhttp.ZstdCompressionLevel(int(zstd.SpeedFastest)))
	if err != nil {
		return nil, fmt.Errorf("set compression up: %w", err)
	}
	return func(h http.Handler) http.Handler { return wrap(h) }, nil
}
