/* SPDX-License-Identifier: BSD-3-Clause */
/* Network and block devices of VMs, for clients: part of engine.h. */
#ifndef CHAOS_DEVICES_H
#define CHAOS_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/config/device_config.h"

struct engine;
struct vm;

enum device_state {
	DEVICE_WAITING,	  /* waits for the frontend or the backend */
	DEVICE_CONNECTED, /* both ends are connected */
	DEVICE_DETACHING,
	DEVICE_BROKEN, /* ended because of a fault of the guest or of dom0; see `reason` */
	DEVICE_ENDED,  /* ended with its VM */
};
const char *device_state_name(enum device_state s); /* "waiting", "connected", ... */

/* Texts are valid until the next call of the engine. */
struct device_info {
	const struct device_config *config; /* with the MAC, MTU and device id that are used */
	enum device_state state;
	const char *ifname; /* vif: name in dom0; "" before the interface exists */
	uint64_t sectors;   /* vbd: of 512 bytes */
	const char *reason; /* why it is broken; otherwise "" */
};
void vm_for_each_device(struct vm *vm, void (*fn)(const struct device_info *d, void *arg),
			void *arg);

/* Called once, on the loop, possibly before the call returns. rc 0: the backend has come up (a
 * guest that does not use the device leaves it waiting); otherwise `e` has the reason, and
 * nothing is left. */
typedef void device_fn(void *arg, int rc, const struct device_info *d, const struct err *e);

/* Attaches the device of `d`, which is cleared. The bridge or file must exist and not be in use,
 * MAC and names must be free; resources of a device that is being removed are waited for.
 * -EOPNOTSUPP for noxs guests, which have no memory for further rings. */
void vm_attach(struct vm *vm, struct device_config *d, device_fn *fn, void *arg);
/* Requests the guest to release the device, and waits some seconds for that; `force` does not
 * wait. */
void vm_detach(struct vm *vm, enum device_kind kind, uint32_t devid, bool force, device_fn *fn,
	       void *arg);

#endif
