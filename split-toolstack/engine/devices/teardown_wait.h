/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests for what another VM has, for a moment still or for good. */
#ifndef CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_H
#define CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"
#include "split-toolstack/engine/devices/teardown_wait-t.h"

struct engine;
struct vm;
struct vm_config;
struct device_config;
struct file;
struct files;

/* --- admit.c: all that devices need is there, and no other VM has it --- */

/* Of a VM that is to be built: `self`, or NULL when it has no name yet. The message says what is
 * not right; -EAGAIN: it will be when a device is gone that is being torn down. Says nothing of
 * what lies behind the paths of disks. */
int devices_admit(struct engine *en, const struct vm *self, const struct vm_config *c,
		  struct err *e);
/* Some device of it has a file behind it, to be opened; and puts all of these to those to be
 * opened. */
bool devices_have_files(const struct engine *en, const struct vm_config *c);
int devices_add_files(const struct engine *en, const struct vm_config *c, struct files *f,
		      struct err *e);
/* That of a linked VM's disks, which were opened; notes what they are in its configuration. */
int disks_admit(struct vm *vm, struct files *f, struct err *e);
/* Both for one more device of a living VM; a disk that was not opened yet (NULL) without the
 * latter.
 */
int device_admit(struct vm *vm, struct device_config *d, const struct file *file, struct err *e);

/* --- reservations.c: what each living VM has for itself --- */

enum reserved { RESERVED_MAC = 'm', RESERVED_NAME = 'n', RESERVED_DISK = 'd', RESERVED_FILE = 'f' };
/* Some VM has it. */
bool reservations_has(struct engine *en, enum reserved of, const void *what, size_t len);
/* Another VM than `self` has it, and one of both writes; NULL: none has. */
const struct vm *reservations_holder(struct engine *en, const struct vm *self, enum reserved of,
				     const void *what, size_t len, bool writes);
/* One more of the VM's. -ENOMEM. */
int reservations_add(struct vm *vm, enum reserved of, const void *what, size_t len, bool writes);
/* All that the VM's configuration says now, in place of what it said before. -ENOMEM. */
int reservations_take(struct vm *vm, struct err *e);
void reservations_drop(struct vm *vm);

/* --- teardown_wait.c: requests that wait for that --- */

/* teardown_wait.c's own. */
struct teardown_waits {
	struct teardown_wait *first; /* utlist head: requests that wait */
	ev_timer timer;
	ev_tstamp disk_left; /* when a disk went the last time; 0: none did */
};

/* At most some seconds from the first call on. */
void teardown_wait_begin(struct engine *en, struct teardown_wait *l);
void teardown_wait_end(struct engine *en, struct teardown_wait *l); /* does not wait any more */
/* Replaces the message of devices_admit() for a request that has waited in vain; -EBUSY. */
int teardown_wait_over(struct err *e);

#endif
