package book

import (
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

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

// EncodeMsgpack writes what reflection would, its numbers as short as they are: of a commit of a busy log nearly everything is this.
func (a *Counted) EncodeMsgpack(e *msgpack.Encoder) error {
	// The encoder writes into memory: none of these fails.
	_ = e.EncodeArrayLen(2)
	_ = e.EncodeString(a.Account)
	_ = e.EncodeArrayLen(len(a.Counts))
	for i := range a.Counts {
		c := &a.Counts[i]
		_ = e.EncodeArrayLen(3)
		_ = e.EncodeInt(int64(c.Quarter))
		_ = e.EncodeUint(uint64(c.Class))
		_ = e.EncodeArrayLen(2)
		_ = e.EncodeUint(c.Traffic.In)
		_ = e.EncodeUint(c.Traffic.Out)
	}
	return nil
}

// Totals are the sums of a month by class.
type Totals [Classes]Traffic

// Month is one of the controller's; it begins and ends with a quarter-hour.
type Month struct {
	Name     string  // 2026-11
	From, To Quarter // To is the first that is not in it
}
