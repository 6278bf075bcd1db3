/* SPDX-License-Identifier: BSD-3-Clause */
/* The modes of the guest `hostile`, and the devices they misuse. */
#ifndef CHAOS_GUEST_HOSTILE_H
#define CHAOS_GUEST_HOSTILE_H

#include "guests/kit/dev.h"

/* A device opened as it should be; then its rings are written by hand. */
struct victim {
	struct kit_device dev;
	uint8_t *page;	/* of ours, granted ... */
	uint32_t gref;	/* ... by this */
	uint32_t round; /* 0.. of this mode */
};

struct hostile_mode {
	const char *name;
	enum noxs_device_type type;
	void (*act)(struct victim *v);
};

extern const struct hostile_mode hostile_vif_modes[];
extern const struct hostile_mode hostile_vbd_modes[];

/* Moves a ring's request index on by n and sends an event, whatever the backend asked for. */
void hostile_push(struct victim *v, int ring, uint32_t n);
/* Another number each time. */
uint32_t hostile_random(void);
/* Writes a grant entry of ours away while it may be in use. */
void hostile_revoke(uint32_t gref);

#endif
