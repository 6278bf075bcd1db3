/* SPDX-License-Identifier: BSD-3-Clause */
/* The test guest's view of its store, walked over /dev/xen/xenbus and printed. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Xen public/io/xs_wire.h */
#define XS_DIRECTORY 1u
#define XS_READ	     2u
#define XS_GET_PERMS 3u
#define XS_WATCH     4u
#define XS_WRITE     11u
#define XS_EVENT     15u
#define XS_ERROR     16u
#define PAYLOAD_MAX  4096u
#define DEPTH_MAX    16u

struct xsd_head {
	uint32_t type, req_id, tx_id, len;
};

/* One request for a path; the answer's length, or -1 with text holding the error's word. */
static int ask(int fd, uint32_t type, const char *path, char *text)
{
	struct xsd_head h = {.type = type, .req_id = 1, .len = (uint32_t)strlen(path) + 1};
	char request[sizeof(h) + PAYLOAD_MAX];
	size_t have = 0;

	if (h.len > PAYLOAD_MAX)
		return -1;
	memcpy(request, &h, sizeof(h));
	memcpy(request + sizeof(h), path, h.len);
	if (write(fd, request, sizeof(h) + h.len) != (ssize_t)(sizeof(h) + h.len) ||
	    read(fd, &h, sizeof(h)) != sizeof(h) || h.len > PAYLOAD_MAX) {
		(void)snprintf(text, PAYLOAD_MAX, "%s", strerror(errno));
		return -1;
	}
	while (have < h.len) {
		ssize_t n = read(fd, text + have, h.len - have);

		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	text[have] = '\0';
	return h.type == XS_ERROR ? -1 : (int)have;
}

static void walk(int fd, const char *path, unsigned int depth)
{
	char *text = malloc(PAYLOAD_MAX + 1), below[PAYLOAD_MAX];
	int n;

	if (!text || depth > DEPTH_MAX) {
		free(text);
		return;
	}
	n = ask(fd, XS_READ, path, text);
	dprintf(1, "store: %s = %s%s", path, n < 0 ? "error " : "", text);
	n = ask(fd, XS_GET_PERMS, path, text);
	for (int at = 0; at < n; at += (int)strlen(text + at) + 1)
		dprintf(1, "%s%s", at ? "," : " (", text + at);
	dprintf(1, "%s", n > 0 ? ")\n" : "\n");
	n = ask(fd, XS_DIRECTORY, path, text);
	for (int at = 0; at < n; at += (int)strlen(text + at) + 1) {
		(void)snprintf(below, sizeof(below), "%s/%s", path, text + at);
		walk(fd, below, depth + 1);
	}
	free(text);
}

/* Of "/vm/<uuid>" what does not depend on files of dom0. */
static void show_vm(int fd, const char *vm)
{
	static const char *const name[] = {"", "/name", "/uuid", "/uuid/none", "/none"};
	char path[64], text[PAYLOAD_MAX + 1];

	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		int n;

		(void)snprintf(path, sizeof(path), "%.48s%s", vm, name[i]);
		n = ask(fd, XS_READ, path, text);
		dprintf(1, "store: %s = %s%s", path, n < 0 ? "error " : "", text);
		n = ask(fd, XS_GET_PERMS, path, text);
		for (int at = 0; at < n; at += (int)strlen(text + at) + 1)
			dprintf(1, "%s%s", at ? "," : " (", text + at);
		dprintf(1, "%s", n > 0 ? ")\n" : "\n");
	}
}

void store_dump(void)
{
	char home[64], domid[PAYLOAD_MAX + 1];
	int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		say("/dev/xen/xenbus: %s", strerror(errno));
		return;
	}
	if (ask(fd, XS_READ, "domid", domid) < 0) {
		say("no domid in the store: %s", domid);
	} else {
		(void)snprintf(home, sizeof(home), "/local/domain/%.10s", domid);
		walk(fd, home, 0);
		(void)snprintf(home, sizeof(home), "/local/domain/%.10s/vm", domid);
		if (ask(fd, XS_READ, home, domid) > 0)
			show_vm(fd, domid);
		say("store dumped");
	}
	close(fd);
}

/* --- an address that the store says --- */

#define ADDRESS "vm-data/ip"

static void request(int fd, uint32_t type, const char *payload, uint32_t len)
{
	struct xsd_head h = {.type = type, .req_id = type, .len = len};
	char text[sizeof(h) + 128];

	memcpy(text, &h, sizeof(h));
	memcpy(text + sizeof(h), payload, len);
	if (write(fd, text, sizeof(h) + len) != (ssize_t)(sizeof(h) + len))
		say("/dev/xen/xenbus: %s", strerror(errno));
}

/* One message, or 0. */
static uint32_t receive(int fd, char text[PAYLOAD_MAX + 1])
{
	struct xsd_head h;
	uint32_t have = 0;

	if (read(fd, &h, sizeof(h)) != sizeof(h) || h.len > PAYLOAD_MAX)
		return 0;
	while (have < h.len) {
		ssize_t n = read(fd, text + have, h.len - have);

		if (n <= 0)
			return 0;
		have += (uint32_t)n;
	}
	text[have] = '\0';
	return h.type;
}

void store_address(void)
{
	static const char watch[] = ADDRESS "\0"
					    "a";
	static const char ready[] = "data/ready\0"
				    "1";
	char text[PAYLOAD_MAX + 1];
	char have[64] = "";
	uint32_t type;
	int fd;

	if (fork() != 0)
		return;
	fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		say("/dev/xen/xenbus: %s", strerror(errno));
	request(fd, XS_WATCH, watch, sizeof(watch));
	while ((type = receive(fd, text)) != 0) {
		if (type == XS_EVENT)
			request(fd, XS_READ, ADDRESS, sizeof(ADDRESS));
		if (type != XS_READ || strlen(text) >= sizeof(have) || !strcmp(text, have))
			continue;
		(void)snprintf(have, sizeof(have), "%s", text);
		while (!net_address(0, have)) /* it is not connected again yet */
			(void)usleep(5000);
		request(fd, XS_WRITE, ready, sizeof(ready) - 1);
	}
	say("/dev/xen/xenbus ends");
	_exit(1);
}
