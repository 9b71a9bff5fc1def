package usage

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
)

// Former is what is remembered of an account that is gone, so that its figures stay somebody's (rule C21).
type Former struct {
	Domain   string          `json:"domain"`
	User     string          `json:"user"`
	Reseller string          `json:"reseller,omitempty"` // path, as it was
	Customer string          `json:"customer,omitempty"`
	Owner    string          `json:"owner,omitempty"`
	Server   string          `json:"server"`
	Limit    reselling.Limit `json:"traffic_mib"` // of traffic, the last
	Past     []Past          `json:"past,omitempty"`
	GoneAt   time.Time       `json:"gone_at"`
}
