/* SPDX-License-Identifier: BSD-3-Clause */
/* What a network namespace has: interfaces, and as texts, addresses and routes. */
#ifndef CHAOS_OCI_NETWORK_H
#define CHAOS_OCI_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define NETWORK_MAX 8u /* interfaces, as of a VM */

struct network_interface {
	int index;
	char name[16];
	uint8_t mac[6];
	uint32_t mtu;
	/* The first of each family, "10.88.0.2/16", and a gateway in its network; "": none. */
	char ip[2][64], gateway[2][48];
};

/* Items are for the agent (LINK_K_NETWORK): interfaces, then addresses, then routes. */
struct network {
	struct network_interface interface[NETWORK_MAX];
	uint32_t n;
	char **item; /* malloced, likewise its texts */
	uint32_t nitem;
};

/* Of the namespace in which the caller is: all Ethernet interfaces. network_free() afterwards in
 * any case. */
int network_read(struct network *n, struct err *e);
void network_free(struct network *n);

/* Parts of it: what one message of rtnetlink says. Others' are passed over. -errno with the reason.
 */
struct nlmsghdr;
int network_take(struct network *n, const struct nlmsghdr *h, struct err *e);

#endif
