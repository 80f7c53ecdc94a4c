package flow

import "testing"

func TestIssueNames(t *testing.T) {
	seen := make(map[string]bool)
	for i := range IssueCount {
		name := i.String()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("issue %d is called %q", i, name)
		}
		seen[name] = true
	}
	if got := IssueCount.String(); got != "unknown" {
		t.Errorf("what is no issue is called %q", got)
	}
}

func TestAccounting(t *testing.T) {
	before := Accounting{Received: 10, Dropped: 1, Metered: 8, Issues: [IssueCount]uint64{IssueNotIP: 2}}
	more := Accounting{Received: 5, Dropped: 2, Metered: 4, Issues: [IssueCount]uint64{IssueTruncated: 1}}
	after := before
	after.Add(more)
	want := Accounting{Received: 15, Dropped: 3, Metered: 12, Issues: [IssueCount]uint64{IssueNotIP: 2, IssueTruncated: 1}}
	if after != want {
		t.Errorf("sum is %+v, want %+v", after, want)
	}
	if got := after.Since(before); got != more {
		t.Errorf("what was added is %+v, want %+v", got, more)
	}
}
