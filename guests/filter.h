/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of the guest fw, and what they say of a frame. Pure. */
#ifndef CHAOS_GUEST_FILTER_H
#define CHAOS_GUEST_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_RULES 64u
#define FILTER_HEAD  256u /* bytes of a frame that are looked at */

struct filter_rule {
	bool allow;
	uint8_t proto;	      /* of IP: 6 tcp, 17 udp, 1 icmp, 58 icmp6 */
	uint16_t first, last; /* destination ports, inclusive; 0..65535 when the rule names none */
};

struct filter {
	bool deny_rest; /* what no rule matches */
	uint32_t n;
	struct filter_rule rule[FILTER_RULES];
};

enum filter_verdict {
	FILTER_PASS,
	FILTER_DENY,
	FILTER_MALFORMED, /* not understood, so denied */
};

/* Appends "PROTO", "PROTO/PORT" or "PROTO/FIRST-LAST", len bytes; false when it is none of these,
 * or there are too many. */
bool filter_add(struct filter *f, bool allow, const char *text, size_t len);

/*
 * The first rule that matches decides. `head` is the first `have` bytes of a frame of `len` bytes
 * (all of them or FILTER_HEAD). Up to two VLAN tags are looked behind. ARP always passes; of other
 * things that are not IP the default decides. Later fragments have no ports: a rule to allow ports
 * matches all of its protocol's, one to deny ports none: without its first fragment a packet is
 * nothing.
 */
enum filter_verdict filter_frame(const struct filter *f, const uint8_t *head, uint32_t have,
				 uint32_t len);

#endif
