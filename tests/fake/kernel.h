/* SPDX-License-Identifier: BSD-3-Clause */
/* dom0's kernel as far as devices need it: backends, interfaces, loop devices; played by a test. */
#ifndef CHAOS_FAKE_KERNEL_H
#define CHAOS_FAKE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "dom0/link.h"

void kernel_reset(void);

/* An interface that is there from now on; its ifindex. */
int kernel_add_link(const char *name, bool bridge, uint32_t mtu);
void kernel_del_link(const char *name);
/* What link_set() has made of it; NULL: not there. */
const struct link_info *kernel_link(const char *name);
uint32_t kernel_links(void);
/* Whether link_pin() was called for this address, and the interface is still there. */
bool kernel_pinned(int ifindex, const uint8_t mac[6]);

/* A network namespace with an interface, at the one path; the path goes; all of it ends, and vifs
 * in it come back. */
#define KERNEL_NETNS "/run/netns/fake"
void kernel_add_netns(const char *peer, const uint8_t mac[6], uint32_t mtu);
void kernel_hide_netns(bool hide);
void kernel_end_netns(void);
const struct link_info *kernel_netns_link(const char *name);
bool kernel_is_joined(const char *a, const char *b);

/* Loop devices lose their files, as when their last user has closed them; so many are others' now.
 */
void kernel_lose_loops(uint32_t others);

/* "vif" or "vbd"; NULL: none. */
void kernel_lacks_driver(const char *kind);

void kernel_add_backend(const char *kind, uint32_t domid, uint32_t devid);
void kernel_del_backend(const char *kind, uint32_t domid, uint32_t devid);
uint32_t kernel_nbackends(void);
/* The nth "vif-7-0"; NULL: there are no more. */
const char *kernel_backend(uint32_t nth);

#endif
