package flow

import (
	"math"
	"reflect"
	"testing"
	"time"
)

// filled sets every counter to n, also those that are added later.
func filled(n uint64) Counters {
	var c Counters
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(n)
	}
	return c
}

func TestCountersAddCoversEveryField(t *testing.T) {
	for _, test := range []struct{ a, b, want uint64 }{
		{0, 0, 0}, {1, 2, 3}, {math.MaxUint64, 0, math.MaxUint64},
		{math.MaxUint64, 1, math.MaxUint64}, {1 << 63, 1 << 63, math.MaxUint64}, // saturates
	} {
		c := filled(test.a)
		c.Add(filled(test.b))
		if c != filled(test.want) {
			t.Errorf("%d + %d = %+v, want %d everywhere", test.a, test.b, c, test.want)
		}
	}
}

func TestCountersTotals(t *testing.T) {
	c := Counters{BytesReceived: 10, BytesSent: 5, PacketsReceived: 2, PacketsSent: 1}
	if c.Bytes() != 15 || c.Packets() != 3 {
		t.Errorf("bytes %d, packets %d; want 15, 3", c.Bytes(), c.Packets())
	}
	c = filled(math.MaxUint64)
	if c.Bytes() != math.MaxUint64 || c.Packets() != math.MaxUint64 {
		t.Errorf("bytes %d, packets %d; want them to saturate", c.Bytes(), c.Packets())
	}
}

func TestCountersIsZero(t *testing.T) {
	if !(Counters{}).IsZero() {
		t.Error("no counters are not zero")
	}
	v := reflect.ValueOf(Counters{})
	for i := range v.NumField() {
		var c Counters
		reflect.ValueOf(&c).Elem().Field(i).SetUint(1)
		if c.IsZero() {
			t.Errorf("IsZero does not look at %s", v.Type().Field(i).Name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, test := range []struct {
		counters Counters
		want     time.Duration
		ok       bool
	}{
		{Counters{}, 0, false},
		{Counters{RoundTripNanoseconds: 5}, 0, false}, // a sum of nothing
		{Counters{RoundTripNanoseconds: 30e6, RoundTrips: 3}, 10 * time.Millisecond, true},
		{Counters{RoundTrips: 1}, 0, true},
		{Counters{RoundTripNanoseconds: math.MaxUint64, RoundTrips: 1}, math.MaxInt64, true},
	} {
		if got, ok := test.counters.RoundTrip(); got != test.want || ok != test.ok {
			t.Errorf("RoundTrip of %+v = %v, %t; want %v, %t", test.counters, got, ok, test.want, test.ok)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		counters Counters
		want     string
	}{
		{Counters{PacketsReceived: 9}, "n/a"},
		{Counters{Attempts: 2}, "unanswered"},
		{Counters{Attempts: 2, Rejects: 1}, "rejected"},
		{Counters{Attempts: 2, Rejects: 1, Accepts: 1}, "accepted"},
	} {
		if got := test.counters.Verdict(); got.String() != test.want {
			t.Errorf("verdict of %+v is %s, want %s", test.counters, got, test.want)
		}
	}
	for _, name := range VerdictNames() {
		if v, ok := ParseVerdict(name); !ok || v.String() != name {
			t.Errorf("ParseVerdict(%q) = %s, %t", name, v, ok)
		}
	}
	if v, ok := ParseVerdict("blocked"); ok {
		t.Errorf("blocked is the verdict %s", v)
	}
	if got := Verdict(200).String(); got != "invalid" {
		t.Errorf("an unknown verdict is called %q", got)
	}
	VerdictNames()[0] = "changed"
	if VerdictNone.String() != "n/a" {
		t.Error("VerdictNames hands out its own table")
	}
}

// The verdict of a sum never falls behind the verdict of a part.
func TestVerdictOfSums(t *testing.T) {
	parts := []Counters{{}, {Attempts: 1}, {Attempts: 1, Rejects: 1}, {Attempts: 1, Accepts: 1}}
	for _, a := range parts {
		for _, b := range parts {
			sum := a
			sum.Add(b)
			if want := max(a.Verdict(), b.Verdict()); sum.Verdict() != want {
				t.Errorf("%s with %s gives %s, want %s", a.Verdict(), b.Verdict(), sum.Verdict(), want)
			}
		}
	}
}
