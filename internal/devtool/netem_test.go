package devtool

import (
	"slices"
	"strings"
	"testing"
)

// TestJudgeNetem: only a run in which every test passed is one; what a serial line prints ends in \r\n.
func TestJudgeNetem(t *testing.T) {
	suites := []suite{{tests: []string{"TestDelay"}}, {tests: []string{"TestVerdict"}}}
	const passed, other = "=== RUN   TestDelay\r\n--- PASS: TestDelay (1.02s)\r\nPASS\r\n", "--- PASS: TestVerdict (0.50s)\r\n"
	for name, test := range map[string]struct{ text, want string }{
		"all":     {passed + other + netemDone + "\r\n", ""},
		"skipped": {"--- SKIP: TestDelay (0.00s)\r\n" + other + netemDone + "\r\n", "TestDelay: SKIP"},
		"failed":  {passed + "--- FAIL: TestVerdict (0.50s)\r\n" + netemDone + "\r\n", "TestVerdict: FAIL"},
		"absent":  {passed + netemDone + "\r\n", "TestVerdict did not run to its end"},
		"cut":     {passed + other, "the machine stopped before"},
		"nothing": {"", "TestDelay did not run to its end"},
		"subtest": {"    --- PASS: TestDelay/IPv4 (0.00s)\r\n" + other + netemDone + "\r\n", "TestDelay did not run to its end"},
		"another": {"--- PASS: TestDelayed (0.00s)\r\n" + other + netemDone + "\r\n", "TestDelay did not run to its end"},
	} {
		err := judgeNetem(test.text, suites)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestLoadOrder(t *testing.T) {
	const dependencies = "kernel/a.ko: kernel/b.ko kernel/c.ko\nkernel/b.ko: kernel/c.ko\nkernel/c.ko:\nkernel/d.ko.xz: kernel/c.ko\n"
	got, err := loadOrder(dependencies, []string{"a", "d"})
	if want := []string{"kernel/c.ko", "kernel/b.ko", "kernel/a.ko", "kernel/d.ko.xz"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := loadOrder(dependencies, []string{"e"}); err == nil || !strings.Contains(err.Error(), "no module e") {
		t.Errorf("got %v", err)
	}
}

func TestInitScript(t *testing.T) {
	script := initScript([]string{"veth.ko"}, []suite{{"x.test", "probe/x", []string{"TestA", "TestB"}}})
	for _, want := range []string{"insmod /modules/veth.ko\n", "cd /weir/probe/x && ./x.test -test.v -test.timeout 5m -test.run '^(TestA|TestB)$'\n"} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
	if !strings.HasSuffix(script, "poweroff -f\n") {
		t.Error("the machine stays on")
	}
}
