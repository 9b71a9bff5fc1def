package store

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

type inner struct {
	List []string
	At   time.Time
}

type rich struct {
	N     int
	Raw   json.RawMessage
	Ptr   *inner
	Map   map[string][]int
	Array [2][]byte
	Deep  []map[string]*inner
	Empty []string
	Nil   map[string]string
}

func someRich() rich {
	return rich{
		N: 1, Raw: json.RawMessage("{}"), Ptr: &inner{List: []string{"a"}, At: time.Now()},
		Map: map[string][]int{"k": {1, 2}}, Array: [2][]byte{{1}, {2}},
		Deep: []map[string]*inner{{"x": {List: []string{"y"}}}}, Empty: []string{},
	}
}

func TestCloneIsEqualAndSharesNothing(t *testing.T) {
	clone := cloner[rich]()
	want := someRich()
	from := someRich()
	from.Ptr.At = want.Ptr.At
	got := clone(&from)
	if !reflect.DeepEqual(got, want) || got.Empty == nil || got.Nil != nil {
		t.Fatalf("%+v", got)
	}
	got.Raw[0], got.Ptr.List[0], got.Map["k"][0], got.Array[1][0] = 'x', "x", 9, 9
	got.Deep[0]["x"].List[0] = "x"
	got.Map["new"] = nil
	if !reflect.DeepEqual(from, want) {
		t.Fatalf("the clone shares memory: %+v", from)
	}
}

func TestWhatCannotBeClonedIsDecoded(t *testing.T) {
	type recursive struct{ Next *recursive }
	if cloner[recursive]() != nil || cloner[struct{ list []string }]() != nil || cloner[struct{ V any }]() != nil {
		t.Fatal("a type with unknown references is cloned")
	}
	if cloner[struct{ n int }]() == nil {
		t.Fatal("a plain hidden field is no obstacle")
	}
}
