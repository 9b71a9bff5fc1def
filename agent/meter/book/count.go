package book

import "time"

// Class is what traffic was for.
type Class uint8

// Classes of traffic (rule C21).
const (
	WWW Class = iota
	FTP
	Mail
	Classes
)

// Quarter is a quarter-hour of UTC: how many of them have passed since 1970.
type Quarter int64

// QuarterOf is the one that a time is in.
func QuarterOf(t time.Time) Quarter { return Quarter(t.Unix() / 900) }

// Start is when it begins.
func (q Quarter) Start() time.Time { return time.Unix(int64(q)*900, 0).UTC() }

// Traffic is in bytes: In came to the server, Out left it.
type Traffic struct {
	In, Out uint64
}

func (t *Traffic) add(u Traffic) { t.In += u.In; t.Out += u.Out }

// Count is traffic of one class in one quarter-hour.
type Count struct {
	Quarter Quarter
	Class   Class
	Traffic Traffic
}

// Counted is what one account had.
type Counted struct {
	Account string
	Counts  []Count
}

// Totals are the sums of a month by class.
type Totals [Classes]Traffic

// Month is one of the controller's; it begins and ends with a quarter-hour.
type Month struct {
	Name     string  // 2026-11
	From, To Quarter // To is the first that is not in it
}
