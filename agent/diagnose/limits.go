package diagnose

import (
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
)

// limits is what a healthy drive of a class does at least, with room: docs/diagnostics.md tells where each number comes
// from. A disk below is worth a look.
type limits struct {
	class   string
	rate    float64       // in a row, MB/s
	iops    float64       // small reads at random, one at a time, per second; 0: no limit
	slowest time.Duration // of one piece; 0: no limit
	readers int           // how many reads in a row are in work at a time, so that the drive is the slowest part
}

// Parts of the payload that the link carries: what the slowest products of a class reach, less a good deal.
const (
	ssdShare  = 0.4
	nvmeShare = 0.25
	nvmeMost  = 2000 // MB/s that are asked of an NVMe drive, however fast its link is
)

func limitsOf(d driver.Drive) limits {
	switch d.Kind {
	case driver.KindHDD:
		return limitsHDD(d)
	case driver.KindSSD:
		return limits{class: "SSD", rate: share(d.Link.NowRate, ssdShare, 240, 200), iops: 1000, slowest: time.Second, readers: 4}
	case driver.KindNVMe:
		return limits{class: "NVMe", rate: share(d.Link.NowRate, nvmeShare, nvmeMost, 400), iops: 2000, slowest: time.Second, readers: 8}
	default:
		return limits{class: "virtual disk", rate: 10, readers: 2}
	}
}

func limitsHDD(d driver.Drive) limits {
	l := limits{class: "hard disk", rate: 40, iops: 25, slowest: 3 * time.Second, readers: 1}
	if d.Health == nil || d.Health.RPM == 0 {
		return l
	}
	l.class = fmt.Sprintf("hard disk, %d rpm", d.Health.RPM)
	switch {
	case d.Health.RPM >= 10_000:
		l.rate, l.iops = 80, 60
	case d.Health.RPM >= 7200:
		l.rate, l.iops = 60, 40
	}
	return l
}

// share of what the link carries, at most most; without a known link otherwise.
func share(link, part, most, otherwise float64) float64 {
	if link <= 0 {
		return otherwise
	}
	return min(link*part, most)
}
