package power

import "strings"

// quirk is how a vendor's Redfish differs from the specification.
type quirk struct {
	vendor     string // beginning of the name, in lower case
	alwaysMode bool   // a boot override without a mode does not keep the present one, it falls back to the default
}

// quirks by vendor, as service root or system name it. What the client can see by itself
// (allowable values, missing services, settings in a resource of their own, tags that do not match)
// is not here. Supermicro calls its own a design (DMTF Redfishtool, request 106).
var quirks = []quirk{
	{vendor: "supermicro", alwaysMode: true},
}

func quirkOf(vendor string) quirk {
	vendor = strings.ToLower(vendor)
	for _, q := range quirks {
		if strings.HasPrefix(vendor, q.vendor) {
			return q
		}
	}
	return quirk{}
}
