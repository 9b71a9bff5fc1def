package configure

import "github.com/steelyard/steelyard/agent/driver"

func (o *outcome) windows(dev driver.Disk, t *table, w Wish) error { return nil }
