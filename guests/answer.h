/* SPDX-License-Identifier: BSD-3-Clause */
/* The least that a host on an IPv4 network answers: ARP, ping, and UDP echo (port 7). Pure. */
#ifndef CHAOS_GUEST_ANSWER_H
#define CHAOS_GUEST_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

struct answer_host {
	uint8_t mac[6];
	uint8_t ip[4];
};

/* Turns a frame into the answer to it, in place; the answer's length, or 0 when there is none. What
 * is cut off, a fragment or not for this host is not answered. Transport checksums are not looked
 * at. */
uint32_t answer_frame(const struct answer_host *me, uint8_t *frame, uint32_t len);

/* "A.B.C.D", up to the len-th character; false when it is not that. */
bool answer_address(const char *text, uint32_t len, uint8_t ip[4]);

#endif
