/* SPDX-License-Identifier: BSD-3-Clause */
/* Network and block devices of VMs as clients see them: part of engine.h. */
#ifndef CHAOS_DEVICES_H
#define CHAOS_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/config/device_config.h"

struct engine;
struct vm;

enum device_state {
	DEVICE_WAITING,	  /* for the frontend or the backend */
	DEVICE_CONNECTED, /* both ends */
	DEVICE_DETACHING,
	DEVICE_BROKEN, /* ended because of what the guest did, or what failed; `reason` says */
	DEVICE_ENDED,  /* with its VM */
};
const char *device_state_name(enum device_state s); /* "waiting", "connected", ... */

/* Strings live until the next call into the engine. */
struct device_info {
	const struct device_config *config; /* MAC, MTU and device id are filled in */
	enum device_state state;
	const char *ifname; /* vif: in dom0, "" before it is there */
	uint64_t sectors;   /* vbd: of 512 bytes */
	const char *reason; /* of a broken one, else "" */
};
void vm_for_each_device(struct vm *vm, void (*fn)(const struct device_info *d, void *arg),
			void *arg);

/* rc 0: it is there (a guest that does not look for it leaves it waiting); else `e` says why, and
 * nothing is left. Comes once, on the loop, possibly before the call returns. */
typedef void device_fn(void *arg, int rc, const struct device_info *d, const struct err *e);

/* Takes what is in `d` (it is cleared). Bridge or file must be there and not in use, MAC and names
 * not taken; what a device has that is leaving is waited for. -EOPNOTSUPP for noxs guests, which
 * have no room for one. */
void vm_attach(struct vm *vm, struct device_config *d, device_fn *fn, void *arg);
/* Asks the guest to let go and waits for that, at most some seconds; `force` does not wait. */
void vm_detach(struct vm *vm, enum device_kind kind, uint32_t devid, bool force, device_fn *fn,
	       void *arg);

#endif
