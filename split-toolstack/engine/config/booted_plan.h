/* SPDX-License-Identifier: BSD-3-Clause */
/* What copies of a booted guest do before they wait in the pool: the words of their flavor, read.
 */
#ifndef CHAOS_ENGINE_BOOTED_PLAN_H
#define CHAOS_ENGINE_BOOTED_PLAN_H

#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/config/pool_flavor.h"

/* Behind its devices, which are connected in any case. */
enum booted_when {
	BOOTED_DEVICES,
	BOOTED_STORE, /* its guest has written `node` */
	BOOTED_TCP,   /* something listens on port `number` of its address */
	BOOTED_TIME,  /* `number` milliseconds have passed */
};

struct booted_plan {
	enum booted_when when;
	uint32_t number;
	char node[POOL_WHEN_MAX]; /* below /local/domain/ID */
	uint64_t mac;		  /* the first of a range, as a number */
	uint32_t macs;		  /* so many; 0: their addresses are made up */
	uint32_t ip;		  /* likewise; in host byte order */
	uint32_t ips;
	uint8_t prefix; /* bits */
};

#define BOOTED_MS_MAX 60000u

/* Reads the words of a flavor. -EINVAL names the word, its value and what may be given. */
int booted_plan_read(const struct pool_flavor *f, struct booted_plan *out, struct err *e);
/* The nth of a range: n is less than its number. */
void booted_mac(const struct booted_plan *p, uint32_t n, uint8_t mac[6]);
void booted_ip(const struct booted_plan *p, uint32_t n, uint8_t ip[4]);

#endif
