package etcdkv

import (
	"context"
	"errors"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// authErrors mean that etcd knows us, but not as somebody who may do this.
var authErrors = []error{
	rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty, rpctypes.ErrUserNotFound,
	rpctypes.ErrInvalidAuthToken, rpctypes.ErrInvalidAuthMgmt, rpctypes.ErrAuthNotEnabled, rpctypes.ErrRoleNotFound,
}

// explain turns an error of the etcd client into a fault that says what to do.
func explain(act string, err error) error {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case err == nil:
		return nil
	case is(rpctypes.ErrCompacted):
		return kv.ErrCompacted
	case is(rpctypes.ErrNoSpace):
		return fault.Unavailable("%s: etcd has reached its quota and takes no writes; compact and defragment it or raise the quota, then disarm the alarm: %w", act, err)
	case is(rpctypes.ErrCorrupt):
		return fault.Unavailable("%s: etcd found its data corrupt and takes no writes; restore a member or a backup: %w", act, err)
	case is(rpctypes.ErrLeaseNotFound):
		return fault.NotFound("%s: the lease is over", act)
	case is(rpctypes.ErrTooManyOps), is(rpctypes.ErrRequestTooLarge):
		return fault.Refused("%s: etcd takes no transaction of this size; raise its --max-txn-ops and --max-request-bytes or lower this controller's: %w", act, err)
	case slices.ContainsFunc(authErrors, is):
		return fault.Unavailable("%s: etcd refuses this controller's user; check its name, password file, certificate and role (readwrite on the prefix): %w", act, err)
	case is(context.DeadlineExceeded), is(context.Canceled):
		return fault.Unavailable("%s: etcd did not answer in time: %w", act, err)
	}
	return fault.Unavailable("%s: etcd cannot be reached or has no leader: %w", act, err)
}
