/* SPDX-License-Identifier: BSD-3-Clause */
/* How copies of a booted guest become ready for the pool: the words of their flavor, parsed. */
#ifndef CHAOS_ENGINE_BOOTED_PLAN_H
#define CHAOS_ENGINE_BOOTED_PLAN_H

#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/config/pool_flavor.h"

/* When a copy is ready, in addition to all of its devices being connected. */
enum booted_when {
	BOOTED_DEVICES,
	BOOTED_STORE, /* the guest has written `node` */
	BOOTED_TCP,   /* port `number` of its address accepts connections */
	BOOTED_TIME,  /* `number` milliseconds have passed */
};

struct booted_plan {
	enum booted_when when;
	uint32_t number;
	char node[POOL_WHEN_MAX]; /* relative to /local/domain/ID */
	uint64_t mac;		  /* the first address of a range, as a number */
	uint32_t macs;		  /* size of the range; 0: addresses are generated */
	uint32_t ip;		  /* likewise; in host byte order */
	uint32_t ips;
	uint8_t prefix; /* bits */
};

#define BOOTED_MS_MAX 60000u

/* Parses the words of a flavor. -EINVAL: the message has the word, its value and what is
 * allowed. */
int booted_plan_read(const struct pool_flavor *f, struct booted_plan *out, struct err *e);
/* The nth address of a range; n must be less than its size. */
void booted_mac(const struct booted_plan *p, uint32_t n, uint8_t mac[6]);
void booted_ip(const struct booted_plan *p, uint32_t n, uint8_t ip[4]);

#endif
