package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// AddImage records an image whose bytes are kept and whose manifest is signed.
// Names are unique without regard to case.
func (in *Intake) AddImage(ctx context.Context, actor access.Actor, img image.Image) (rev int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the image cannot be added", func(c *fault.Check, look Lookup) {
			checkTaken(c, look, "images", "query.name", img.Name, img.ID)
		}); err != nil {
			return err
		}
		return cmp.Or(store.Images.Create(tx, img.ID, img), rename(tx, "images", "", img.Name, img.ID),
			audit(tx, actor, "image.add", "images/"+img.ID, nil, img.ImageManifest, "", now),
			remember(tx, "images", img.ID, img, now))
	})
}

// RetireImage keeps an image from being ordered. What runs it goes on.
func (in *Intake) RetireImage(ctx context.Context, actor access.Actor, imageID string) (img image.Image, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Images.Get(tx, imageID)
		if err != nil {
			return err
		}
		if img = before; img.Retired {
			return nil
		}
		img.Retired = true
		return cmp.Or(store.Images.Put(tx, imageID, img), rename(tx, "images", img.Name, "", imageID),
			audit(tx, actor, "image.retire", "images/"+imageID, before, img, "", now))
	})
	return img, rev, err
}
