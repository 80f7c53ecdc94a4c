package devtool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStepSaysWhatFailed(t *testing.T) {
	err := Step{Name: "no such thing", Command: []string{"weir-no-such-program"}}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "weir-no-such-program is not installed") {
		t.Errorf("got %v", err)
	}
	err = Step{Name: "a failure", Command: []string{"sh", "-c", "exit 3"}}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a failure, after") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if err := (Step{Name: "nothing"}).Run(t.Context()); err == nil {
		t.Error("a step without a command succeeded")
	}
}

func TestRunAllStopsAtTheFirstFailure(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	err := RunAll(t.Context(), Step{Name: "fails", Command: []string{"false"}}, Step{Name: "comes too late", Command: []string{"touch", made}})
	if err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Error("the second step ran")
	}
}

func TestStepEndsWithItsContext(t *testing.T) {
	for name, limit := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"timed": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		},
	} {
		ctx, cancel := limit(t.Context())
		// The command gets an interrupt, not a kill: it may clean up.
		directory := t.TempDir()
		ready, made := filepath.Join(directory, "ready"), filepath.Join(directory, "cleaned")
		script := "trap 'touch " + made + "; exit 1' INT; touch " + ready + "; while :; do sleep 0.05; done"
		go func() {
			await(exists(ready))
			cancel()
		}()
		if err := (Step{Name: "endless", Command: []string{"sh", "-c", script}}).Run(ctx); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(made); err != nil {
			t.Errorf("%s: the command did not clean up: %v", name, err)
		}
	}
}

// await waits until something holds, for a minute at most, and says whether it does.
func await(holds func() bool) bool {
	for begin := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			return false
		}
	}
	return true
}

func exists(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return err == nil
	}
}

func TestNewer(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, age time.Duration) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("src/a", time.Hour)
	target := write("out", time.Minute)
	if !newer(target, filepath.Join(dir, "src")) {
		t.Error("a target younger than its sources is made again")
	}
	write("src/deep/b", time.Second)
	if newer(target, filepath.Join(dir, "src")) {
		t.Error("a changed source is not noticed")
	}
	if newer(filepath.Join(dir, "absent"), filepath.Join(dir, "src")) || newer(target, filepath.Join(dir, "no-such-source")) {
		t.Error("what is absent counts as fresh")
	}
}

func TestRequireNamesTheLineToType(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no apt-get and no tools
	err := Require(t.Context(), IP, GCC, IP)
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install -y --no-install-recommends gcc iproute2 libc6-dev") {
		t.Errorf("got %v", err)
	}
}
