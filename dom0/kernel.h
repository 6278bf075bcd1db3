/* SPDX-License-Identifier: BSD-3-Clause */
/* What dom0's kernel has now: backends, drivers of backends, and a setting. */
#ifndef CHAOS_DOM0_KERNEL_H
#define CHAOS_DOM0_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

bool kernel_has_backend(const char *kind, uint32_t domid, uint32_t devid);
bool kernel_has_driver(const char *kind); /* "vif", "vbd" */
/* Whether RCU grace periods are expedited: 0, 1 or -errno. */
int kernel_rcu_expedited(void);
int kernel_set_rcu_expedited(bool on);
/* Calls fn for each backend: "vif-7-0", ... -errno: there may be more. */
int kernel_each_backend(void (*fn)(const char *name, void *arg), void *arg);

#endif
