/* SPDX-License-Identifier: BSD-3-Clause */
/* A create over a connection without libchaos, which libchaos is compared with. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bench/conn.h"
#include "split-toolstack/protocol/client.h"

void bare_open(struct client *c)
{
	struct err e = {0};

	if (client_open(c, NULL, &e) < 0)
		die("%s", err_msg(&e));
}

uint64_t bare_create(struct client *c, const char *type, int kernel, const char *way)
{
	uint64_t start = clock_ns();
	uint64_t took;
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	char text[128];

	client_begin(c, &w, PROTO_REQ_CREATE);
	wire_u32(&w, PROTO_FLAGS, PROTO_F_READY);
	(void)snprintf(text, sizeof(text), "name=%s", "bench"); /* as conn.c: the same work */
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "kernel=%s", CHAOS_GUEST_DIR "/noop");
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "type=%s", type);
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "memory=%s", "4");
	wire_text(&w, PROTO_SET, text);
	wire_u32(&w, PROTO_KERNEL_FD, 0);
	if (client_send(c, &w, &kernel, 1, &e) < 0 || client_finish(c, &in, NULL, NULL, &e) < 0)
		die("%s", err_msg(&e));
	took = clock_ns() - start;
	if (!wire_get_text(&in, PROTO_WAY, text, sizeof(text)) || strcmp(text, way) != 0)
		die("a create went the way \"%s\" instead of \"%s\"", text, way);
	return took;
}
