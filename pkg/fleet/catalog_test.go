package fleet

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/wire"
)

func TestCatalog(t *testing.T) {
	f := newFleet(t, DefaultConfig(), &store{name: "b"}, &store{name: "a"}, &store{name: "down", err: errors.New("no route")})
	list := f.Catalogs(t.Context())
	if len(list) != 3 || list[0].Name != "a" || list[0].Catalog == nil || list[2].Err == nil {
		t.Errorf("%+v", list)
	}
	union, err := f.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.CatalogInterface{{Name: "a-only", Capturing: true}, {Name: "b-only", Capturing: true}, {Name: "eth0", First: now, Last: now.Add(time.Hour)}}
	if diff := cmp.Diff(want, union.Interfaces); diff != "" {
		t.Error(diff)
	}
	if union.Kind != "gateway" || union.Interval != 5*time.Minute || len(union.Fields) == 0 {
		t.Errorf("%+v", union)
	}
	nobody, err := newFleet(t, DefaultConfig(), &store{name: "down", err: errors.New("no route")}).Catalog(t.Context())
	if err != nil || len(nobody.Hosts) != 1 || nobody.Hosts[0].State != wire.StateError || nobody.Hosts[0].Error != "no route" || nobody.Interfaces == nil {
		t.Errorf("the catalog where nobody answers: %+v", nobody)
	}
}

func TestJoin(t *testing.T) {
	early, late := now, now.Add(time.Hour)
	for _, test := range []struct{ a, b, want wire.CatalogInterface }{
		{wire.CatalogInterface{}, wire.CatalogInterface{First: early, Last: late}, wire.CatalogInterface{First: early, Last: late}},
		{wire.CatalogInterface{First: early, Last: early}, wire.CatalogInterface{First: late, Last: late}, wire.CatalogInterface{First: early, Last: late}},
		{wire.CatalogInterface{First: late, Last: late, Capturing: true}, wire.CatalogInterface{First: early, Last: early}, wire.CatalogInterface{First: early, Last: late, Capturing: true}},
		{wire.CatalogInterface{First: late, Last: late}, wire.CatalogInterface{}, wire.CatalogInterface{First: late, Last: late}},
	} {
		if got := join(test.a, test.b); got != test.want {
			t.Errorf("join(%+v, %+v) = %+v", test.a, test.b, got)
		}
	}
}
