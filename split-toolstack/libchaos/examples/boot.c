/* SPDX-License-Identifier: BSD-3-Clause */
/* boot: creates N VMs of an image, many requests at a time on one connection, and ends them.
 *
 *	cc boot.c $(pkg-config --cflags --libs libchaos) -o boot
 *	./boot image:web 256K 20
 */
#include <chaos/chaos.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

/* So many are under way at a time. */
#define WINDOW 8

static void send_create(struct chaos *c, const char *image, const char *memory)
{
	struct chaos_request rq;
	struct chaos_error e = {0};
	char kernel[256];
	char mem[64];
	const char *const set[] = {kernel, mem, NULL};

	(void)snprintf(kernel, sizeof(kernel), "kernel=%s", image);
	(void)snprintf(mem, sizeof(mem), "memory=%s", memory);
	chaos_request_init(&rq, CHAOS_CREATE);
	rq.set = set;
	rq.flags = CHAOS_READY;
	if (chaos_send(c, &rq, NULL, &e) < 0)
		errx(1, "%s", e.message);
}

static void forget(struct chaos *c, const char *uuid)
{
	static struct chaos_reply r;
	struct chaos_request rq;
	struct chaos_error e = {0};

	chaos_request_init(&rq, CHAOS_RM);
	rq.vm = uuid;
	rq.flags = CHAOS_FORCE;
	if (chaos_call(c, &rq, &r, NULL, NULL, &e) < 0)
		warnx("%s", e.message);
}

int main(int argc, char **argv)
{
	static struct chaos_reply r; /* replies are large */
	struct chaos_error e = {0};
	struct chaos *c;
	char(*uuid)[37];
	int n = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;
	int sent = 0;
	int done = 0;
	int made = 0;

	if (n < 1)
		errx(2, "usage: boot IMAGE MEMORY COUNT");
	uuid = calloc((size_t)n, sizeof(*uuid));
	if (!uuid)
		err(1, "memory");
	if (chaos_open(&c, NULL, &e) < 0)
		errx(1, "%s", e.message);
	while (done < n) {
		if (sent < n && sent - done < WINDOW) {
			send_create(c, argv[1], argv[2]);
			sent++;
			continue;
		}
		if (chaos_receive(c, &r, -1, &e) < 0)
			errx(1, "%s", e.message);
		if (!r.last)
			continue;
		done++;
		if (r.error) {
			warnx("%s", r.message);
			continue;
		}
		printf("%s is ready (%s%s%s)\n", r.vm.name, r.way, *r.why ? ": " : "", r.why);
		(void)snprintf(uuid[made++], sizeof(uuid[0]), "%s", r.vm.uuid);
	}
	for (int i = 0; i < made; i++)
		forget(c, uuid[i]);
	chaos_close(c);
	free(uuid);
	return made == n ? 0 : 1;
}
