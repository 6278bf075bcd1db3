/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile: opens its first vif or vbd as it should, and then does to the backend what a guest may
 * try: mode=NAME says what (vif.c, vbd.c; or die, storm, close), times=N how often (100),
 * device=vbd for which device the last three are. It then says what it did, and answers pings for
 * ever. */
#include "hostile.h"

#include <xen/sched.h>

#define PAUSE_NS 1000000u

uint32_t hostile_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ull;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 32);
}

void hostile_push(struct victim *v, int ring, uint32_t n)
{
	struct netif_tx_sring *s = v->dev.ring[ring]; /* the indices of all rings lie alike */

	__atomic_store_n(&s->req_prod, s->req_prod + n, __ATOMIC_RELEASE);
	kit_device_notify(&v->dev);
}

void hostile_revoke(uint32_t gref)
{
	kit_grant_overwrite(gref, 0);
}

/* Ends in the middle of it: requests are out, nothing is closed. */
static void die(struct victim *v)
{
	memset((uint8_t *)v->dev.ring[0] + 64, 0xff, PAGE_SIZE - 64);
	hostile_push(v, 0, 8);
	kit_shutdown(SHUTDOWN_crash, 0);
}

static void storm(struct victim *v)
{
	for (int i = 0; i < 1000; i++)
		kit_device_notify(&v->dev);
}

/* Opens and closes, by the store where there is one. */
static void close_again(struct victim *v)
{
	kit_device_close(&v->dev);
	if (v->dev.classic)
		(void)kit_device_open(&v->dev, v->dev.type, v->dev.index);
}

static const struct hostile_mode common[] = {
	{"die", NOXS_DEV_NONE, die},
	{"storm", NOXS_DEV_NONE, storm},
	{"close", NOXS_DEV_NONE, close_again},
	{NULL, NOXS_DEV_NONE, NULL},
};

static const struct hostile_mode *find(const char *name, size_t len)
{
	const struct hostile_mode *const tables[] = {hostile_vif_modes, hostile_vbd_modes, common};

	for (int t = 0; t < 3; t++)
		for (const struct hostile_mode *m = tables[t]; m->name; m++)
			if (strlen(m->name) == len && memcmp(m->name, name, len) == 0)
				return m;
	return NULL;
}

int guest_main(void)
{
	static struct victim v;
	const struct hostile_mode *mode = NULL;
	uint64_t times = kit_option("times", 100);
	enum noxs_device_type type;
	size_t len = 0;
	const char *name = kit_option_text("mode=", 0, &len);

	kit_traps();
	if (name)
		mode = find(name, len);
	if (!mode) {
		kit_print("hostile: no such mode\r\n");
		return 2;
	}
	type = mode->type;
	if (type == NOXS_DEV_NONE)
		type = kit_option_text("device=vbd", 0, &len) ? NOXS_DEV_VBD : NOXS_DEV_VIF;
	if (!kit_device_open(&v.dev, type, 0)) {
		kit_print("hostile: no device\r\n");
		return 1;
	}
	v.page = kit_pages(1);
	v.gref = v.page ? kit_grant(v.dev.backend, v.page, false) : 0;
	if (!v.gref)
		return 1;
	kit_ready();
	for (; v.round < times; v.round++) {
		mode->act(&v);
		kit_wait(PAUSE_NS);
	}
	kit_print("hostile: %s done\r\n", mode->name);
	for (;;)
		kit_idle(0);
}
