package plan

import (
	"encoding/json"
	"strings"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Kinds of value.
const (
	KindLimit  = "limit"  // a whole number, of which 0 is a real zero, or no limit (rule X12)
	KindSwitch = "switch" // on or off
	KindChoice = "choice" // one word out of a few
)

// Value is what one property is. In JSON it is a whole number or "no limit", true or false, or the word. Two that are the same are equal by ==.
type Value struct {
	Kind   string
	Limit  reselling.Limit
	On     bool
	Choice string
}

// Number is a limit of n.
func Number(n uint64) Value { return Value{Kind: KindLimit, Limit: reselling.AtMost(n)} }

// Unlimited is no limit.
func Unlimited() Value { return Value{Kind: KindLimit, Limit: reselling.NoLimit} }

// Switched is a switch.
func Switched(on bool) Value { return Value{Kind: KindSwitch, On: on} }

// Chosen is a choice.
func Chosen(word string) Value { return Value{Kind: KindChoice, Choice: word} }

// String is the value for a person: a number, "no limit", "on", "off", or the word.
func (v Value) String() string {
	switch {
	case v.Kind == KindLimit:
		return v.Limit.String()
	case v.Kind == KindChoice:
		return v.Choice
	case v.On:
		return "on"
	}
	return "off"
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Kind {
	case KindLimit:
		return json.Marshal(v.Limit)
	case KindChoice:
		return json.Marshal(v.Choice)
	}
	return json.Marshal(v.On)
}

// UnmarshalJSON implements json.Unmarshaler. The fault is invalid for what is none of the three: a number with a sign, a dot or an exponent
// is no whole number (rule C3).
func (v *Value) UnmarshalJSON(text []byte) error {
	switch s := string(text); {
	case s == "true" || s == "false":
		*v = Switched(s == "true")
	case strings.HasPrefix(s, `"`) && s != `"`+reselling.NoLimit.String()+`"`:
		*v = Value{Kind: KindChoice}
		return json.Unmarshal(text, &v.Choice)
	default:
		var l reselling.Limit
		if err := l.UnmarshalJSON(text); err != nil {
			return fault.Invalid("%.40s is no value; give a whole number or %q, true or false, or a word", text, reselling.NoLimit.String())
		}
		*v = Value{Kind: KindLimit, Limit: l}
	}
	return nil
}
