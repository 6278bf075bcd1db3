/* SPDX-License-Identifier: BSD-3-Clause */
/* frame: sends one broadcast frame as its first act, then sends back each frame of that type. The
 * shortest way from entry to the wire. */
#include "kit/dev.h"

#define TYPE_HIGH 0x88 /* 0x88b5: IEEE 802, for experiments */
#define TYPE_LOW  0xb5
#define BUFFERS	  16
#define BUDGET	  32

static struct kit_net net;

static void echo(void *arg, const struct kit_frame *f)
{
	struct kit_frame back = *f;
	uint8_t copy[1600];
	uint32_t len = kit_frame_copy(f, copy, sizeof(copy));

	(void)arg;
	if (len < 14 || len != f->len || copy[12] != TYPE_HIGH || copy[13] != TYPE_LOW)
		return;
	memcpy(copy, copy + 6, 6);
	memcpy(copy + 6, net.dev.vif.mac, 6);
	back.parts = 1;
	back.part[0].data = copy;
	back.part[0].len = len;
	(void)kit_net_send(&net, &back);
}

int guest_main(void)
{
	static uint8_t first[60] = {255, 255, 255, 255, 255, 255};
	const struct kit_frame f = {
		.len = sizeof(first), .parts = 1, .part = {{first, sizeof(first)}}};

	if (!kit_net_open(&net, 0, BUFFERS)) {
		kit_print("frame: no vif\r\n");
		return 1;
	}
	memcpy(first + 6, net.dev.vif.mac, 6);
	first[12] = TYPE_HIGH;
	first[13] = TYPE_LOW;
	memcpy(first + 14, "frame", 5);
	(void)kit_net_send(&net, &f);
	kit_net_flush(&net);
	kit_traps();
	kit_ready();
	for (;;) {
		uint32_t n = kit_net_poll(&net, BUDGET, echo, NULL);

		kit_net_flush(&net);
		if (n < BUDGET)
			kit_idle(0);
	}
}
