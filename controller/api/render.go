package api

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// render is the JSON of a view, with empty lists instead of null, as the OpenAPI
// document promises. v is a pointer to a view that nobody else holds.
func render(v any) []byte {
	fillLists(reflect.ValueOf(v).Elem())
	b, err := json.Marshal(v)
	if err != nil {
		// A record that came out of the store as JSON always goes back into JSON.
		panic(fmt.Sprintf("api: %T cannot be written: %v", v, err))
	}
	return b
}

// fillLists makes the nil slices of a struct, and of the structs in it, empty. It
// does not follow pointers or slices: what they point to is shared.
func fillLists(v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		f := v.Field(i)
		switch {
		case f.Kind() == reflect.Struct && f.CanSet():
			fillLists(f)
		case f.Kind() == reflect.Slice && f.IsNil() && f.CanSet() && f.Type().Elem().Kind() != reflect.Uint8:
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
}

// fillInventory is fillLists for an inventory, which no embedded struct reaches. inv
// is a copy.
func fillInventory(inv *hardware.Inventory) {
	if inv != nil {
		fillLists(reflect.ValueOf(inv).Elem())
	}
}
