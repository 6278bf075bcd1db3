/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of this room. */
#ifndef CHAOS_DEVICES_TEST_H
#define CHAOS_DEVICES_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct device_config;
struct device_set;
struct engine;
struct vm;

/* Whether the VM (NULL: a new one) can have this disk; its file has been looked at. */
int devices_test_disk_admit(struct engine *en, const struct vm *self, const struct device_config *d,
			    struct err *e);
/* The kernel's backends as far as names need them: beside xenstored, its mirror. */
int devices_test_mirror_open(struct engine *en);

/* A message of the kernel. */
void devices_test_uevent(struct engine *en, const char *buf, size_t len);
/* The name of a device's interface that the kernel has reported; NULL: none, or there is no such
 * device. */
const char *devices_test_ifname(struct engine *en, const char *kind, uint32_t domid,
				uint32_t devid);
/* For each device that has no backend yet; `noxs`: its rings are made. */
typedef void devices_test_fn(const char *kind, uint32_t domid, uint32_t devid, bool noxs);
void devices_test_each_started(struct engine *en, devices_test_fn *fn);

bool devices_test_any(struct engine *en);
bool devices_test_any_domain(struct engine *en); /* that has devices, or had some */
bool devices_test_teardown_is_idle(struct engine *en);
bool devices_test_any_reservation(struct engine *en);
bool devices_test_any_waits(struct engine *en); /* for devices to go */
/* What these wait for has not come in time. */
void devices_test_waits_are_over(struct engine *en);
/* The nth of the set is broken. */
void devices_test_break(struct device_set *set, uint32_t nth, const char *why);
/* The kernel has taken up every device that was started. */
void devices_test_all_reached(struct engine *en);
/* Those of the set are connected; all that are connected are not any more. */
void devices_test_connect(struct device_set *set);
void devices_test_unconnect_all(struct engine *en);

#endif
