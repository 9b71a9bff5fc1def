package seal

import (
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/logging"
)

// UserDataOf is what the customer of an order wrote for cloud-init; "" nothing. Faults: see [Ring.Unseal].
func UserDataOf(s *store.Store, r *Ring, orderID string) (logging.Secret, error) {
	u, ok := store.UserData.View(s, orderID)
	if !ok {
		return "", nil
	}
	return OrderUserData.Open(r, orderID, u)
}
