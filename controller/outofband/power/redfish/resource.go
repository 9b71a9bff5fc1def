package redfish

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/line"
)

// Text is a string. Services send numbers, null or worse where the schema has a string: what is
// none reads as "".
type Text string

// UnmarshalJSON never fails.
func (t *Text) UnmarshalJSON(raw []byte) error {
	var s string
	_ = json.Unmarshal(raw, &s)
	*t = Text(line.Clean(s))
	return nil
}

// Number is a figure that may be missing.
type Number struct {
	Value float64
	Known bool
}

// UnmarshalJSON takes a number, or a string that holds one; anything else is not known.
func (n *Number) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		*n = Number{}
		return nil
	}
	*n = Number{Value: v, Known: true}
	return nil
}

// Link points at a resource.
type Link struct {
	ID string `json:"@odata.id"`
}

// UnmarshalJSON never fails: a link that is none is empty.
func (l *Link) UnmarshalJSON(raw []byte) error {
	var plain struct {
		ID string `json:"@odata.id"`
	}
	_ = json.Unmarshal(raw, &plain)
	l.ID = plain.ID
	return nil
}

// List is an array; anything else is an empty one, and members that cannot be read are left out.
type List[T any] []T

// UnmarshalJSON never fails.
func (l *List[T]) UnmarshalJSON(raw []byte) error {
	*l = nil
	var members []json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	for _, m := range members {
		var v T
		if json.Unmarshal(m, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// Root is the service root.
type Root struct {
	Vendor   Text
	Product  Text
	Version  Text `json:"RedfishVersion"`
	Systems  Link
	Chassis  Link
	Managers Link
	Links    struct{ Sessions Link }
	Features struct {
		Expand struct {
			NoLinks bool // $expand=. is understood
		} `json:"ExpandQuery"`
	} `json:"ProtocolFeaturesSupported"`
}

// Collection is a list of resources, as links or whole.
type Collection struct {
	Count   Number `json:"Members@odata.count"`
	Members List[Link]
	Next    string `json:"Members@odata.nextLink"`
}

// Status is the health of a part.
type Status struct{ State, Health Text }

// System is a ComputerSystem.
type System struct {
	ID           Text `json:"Id"`
	ETag         Text `json:"@odata.etag"`
	Manufacturer Text
	Model        Text
	SerialNumber Text
	UUID         Text
	PowerState   Text
	Boot         Boot
	LogServices  Link
	Links        struct {
		Chassis   List[Link]
		ManagedBy List[Link]
	}
	Actions struct {
		Reset Action `json:"#ComputerSystem.Reset"`
	}
	Settings struct {
		Object Link `json:"SettingsObject"`
	} `json:"@Redfish.Settings"`
}

// Boot is the override of the boot source.
type Boot struct {
	Enabled Text       `json:"BootSourceOverrideEnabled"`
	Target  Text       `json:"BootSourceOverrideTarget"`
	Mode    Text       `json:"BootSourceOverrideMode"`
	Targets List[Text] `json:"BootSourceOverrideTarget@Redfish.AllowableValues"`
}

// Action is something that can be done to a resource.
type Action struct {
	Target string     `json:"target"`
	Types  List[Text] `json:"ResetType@Redfish.AllowableValues"`
	Info   string     `json:"@Redfish.ActionInfo"`
}

// ActionInfo lists the parameters of an action.
type ActionInfo struct {
	Parameters List[struct {
		Name   Text
		Values List[Text] `json:"AllowableValues"`
	}]
}

// Manager is a management controller.
type Manager struct {
	FirmwareVersion    Text
	EthernetInterfaces Link
	LogServices        Link
}

// Interface is a network port of a manager.
type Interface struct {
	MAC       Text                         `json:"MACAddress"`
	Permanent Text                         `json:"PermanentMACAddress"`
	Addresses List[struct{ Address Text }] `json:"IPv4Addresses"`
}

// Chassis is an enclosure or a board.
type Chassis struct {
	Manufacturer Text
	Model        Text
	SerialNumber Text
	Thermal      Link
	Power        Link
	Sensors      Link
	Links        struct {
		ComputerSystems List[Link]
	}
}

// Thermal holds temperatures and fans, as services before 2020 have them.
type Thermal struct {
	Temperatures List[struct {
		Name    Text
		Reading Number `json:"ReadingCelsius"`
		Status  Status
	}]
	Fans List[struct {
		Name    Text
		FanName Text // before schema 1.1
		Reading Number
		RPM     Number `json:"ReadingRPM"`
		Units   Text   `json:"ReadingUnits"`
		Status  Status
	}]
}

// Power holds voltages and consumption, as services before 2020 have them.
type Power struct {
	Control List[struct {
		Name     Text
		Consumed Number `json:"PowerConsumedWatts"`
		Status   Status
	}] `json:"PowerControl"`
	Voltages List[struct {
		Name    Text
		Reading Number `json:"ReadingVolts"`
		Status  Status
	}]
}

// Sensor is one reading, as services since 2020 have them.
type Sensor struct {
	Name       Text
	Reading    Number
	Units      Text `json:"ReadingUnits"`
	Type       Text `json:"ReadingType"`
	Status     Status
	Thresholds struct {
		UpperCritical, UpperFatal, LowerCritical, LowerFatal, UpperCaution, LowerCaution struct{ Reading Number }
	}
}

// Sensors is a collection of sensors, whole when it was asked for with $expand.
type Sensors struct {
	Members List[struct {
		ID string `json:"@odata.id"`
		Sensor
	}]
	Next string `json:"Members@odata.nextLink"`
}

// LogService is one log.
type LogService struct {
	ID      Text `json:"Id"`
	Entries Link
}

// Entries is a page of a log.
type Entries struct {
	Count   Number `json:"Members@odata.count"`
	Members List[Entry]
	Next    string `json:"Members@odata.nextLink"`
}

// Entry is one event.
type Entry struct {
	ID       string `json:"@odata.id"`
	Created  Text
	Severity Text
	Message  Text
}

// At is when the event was; services write times with and without zone.
func (e Entry) At() time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, string(e.Created)); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
