package offline

import (
	"encoding/json"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Order reads an order file. The wish is normalised and valid; every fault is
// invalid and names its field below "order".
func Order(data []byte) (match.Wish, error) {
	if err := checkSize("order", data); err != nil {
		return match.Wish{}, err
	}
	var fields map[string]json.RawMessage
	if err := decode(data, "order", false, &fields); err != nil {
		return match.Wish{}, err
	}
	data, err := sized(data, "order")
	if err != nil {
		return match.Wish{}, err
	}
	w, err := wish(data, fields)
	if err != nil {
		return match.Wish{}, err
	}
	if err := w.Validate("order"); err != nil {
		return match.Wish{}, err
	}
	w.Configuration = w.Configuration.AsSold()
	return w.Normalise(), nil
}

func wish(data []byte, fields map[string]json.RawMessage) (match.Wish, error) {
	if !isWish(fields) {
		var c hardware.Configuration
		err := decode(data, "order", true, &c)
		return match.Wish{Configuration: c}, err
	}
	var w match.Wish
	if weights, ok := fields["weights"]; ok && string(weights) != "null" {
		published := match.DefaultWeights() // what the file leaves out stays
		w.Weights = &published
	}
	return w, decode(data, "order", true, &w)
}

func isWish(fields map[string]json.RawMessage) bool {
	for _, name := range []string{"configuration", "location", "server_type", "weights"} {
		if _, ok := fields[name]; ok {
			return true
		}
	}
	return len(fields) == 0
}
