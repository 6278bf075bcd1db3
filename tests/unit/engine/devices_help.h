/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine with devices, whose backends in the kernel are played by the test. */
#ifndef CHAOS_DEVICES_HELP_H
#define CHAOS_DEVICES_HELP_H

#include "tests/unit/engine/engine_help.h"

#include "dom0/devtree.h"
#include "dom0/kernel.h"
#include "split-toolstack/engine/devices/devices_test.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/parts/parts.h"
#include "store/store.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "tests/fake/kernel.h"

extern char disk[64]; /* a path */
/* Bridges br0 (MTU 1500) and br1 (9000), a file as disk, and setup(). */
int devices_start_test(void **state);
int devices_stop_test(void **state);
#define DEVICES(f) cmocka_unit_test_setup_teardown(f, devices_start_test, devices_stop_test)

struct device_config vif(const char *bridge, const char *name);
struct device_config vbd(void);
void give(struct vm_config *c, struct device_config d);
struct vm_config net_and_disk(const char *name);
struct vm_config other_guest(const char *name); /* makes the handshake itself */

/* A message of the kernel, its fields parted by '|'. */
void uevent(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_state(const char *kind, uint32_t domid, uint32_t devid, uint32_t state);
bool has_nodes(const char *kind, uint32_t domid, uint32_t devid);
void interface_comes(uint32_t domid, uint32_t devid);
void goes(const char *kind, uint32_t domid, uint32_t devid);
/* Turns the loop, and does what the kernel would: connects what there are rings for, and lets go of
 * what has no nodes. */
void work_for(uint32_t ms);
/* The same until the condition holds, which ends the test after a minute (engine_help.h). */
#define work_until(condition)                                                                      \
	do {                                                                                       \
		struct until_guard work_guard;                                                     \
		until_begin(&work_guard, #condition);                                              \
		while (!(condition))                                                               \
			work_for(1);                                                               \
		until_end(&work_guard);                                                            \
	} while (0)
/* In the end the daemon has nothing but itself, and so many files (0: whatever). */
void nothing_is_left(uint32_t files);

struct answer {
	bool called;
	int rc;
	struct err err;
};
device_fn on_device; /* of a struct answer */
uint32_t connected(struct vm *vm);
/* Whether the address of its first device stays at its port of the bridge. */
bool is_pinned(struct vm *vm);
/* Of a disk's backend, as in the store: "7:0". */
const char *physical_device(uint32_t domid);
/* A create in which the nth call of Xen fails; *through: there are not so many. A create that fails
 * says why. */
struct result create_failing(uint32_t nth, struct vm_config c, bool *through);

#endif
