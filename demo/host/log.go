package host

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// pluginLogger hands what go-plugin and the plugin's process log on to slog.
func pluginLogger(logger *slog.Logger) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:        "plugin",
		Level:       hclog.Info,
		Output:      logLines{logger},
		DisableTime: true,
	})
}

// logLines takes lines such as "[WARN]  plugin: text", one per Write.
type logLines struct{ logger *slog.Logger }

func (l logLines) Write(line []byte) (int, error) {
	level := slog.LevelDebug // the plugin's own information is detail here
	switch {
	case bytes.HasPrefix(line, []byte("[ERROR]")):
		level = slog.LevelError
	case bytes.HasPrefix(line, []byte("[WARN]")):
		level = slog.LevelWarn
	}
	_, text, found := bytes.Cut(line, []byte("] "))
	if !found {
		text = line
	}
	l.logger.Log(context.Background(), level, string(bytes.TrimSpace(text)))
	return len(line), nil
}
