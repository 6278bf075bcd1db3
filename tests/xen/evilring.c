/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings that are offered with wrong grants, and rings with impossible indexes and records. */
#include "tests/xen/evilring.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OFFER (12 + 4 * RING_ALL)

/* Linux include/uapi/xen/gntalloc.h */
static struct {
	uint16_t domid, flags;
	uint32_t count;
	uint64_t index;
	uint32_t refs[RING_ALL + 1];
} grants = {.flags = 1, .count = RING_ALL};

static uint8_t *pages = MAP_FAILED;

void evilring_modules(void)
{
	char name[64];
	char path[80];
	FILE *f = fopen("/modules/order", "re");

	while (f && fscanf(f, "%63s", name) == 1) {
		int fd;

		(void)snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		(void)syscall(SYS_finit_module, fd, "", 0);
		(void)close(fd);
	}
	if (f)
		(void)fclose(f);
}

static void allocate(void)
{
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);

	if (pages == MAP_FAILED && ioctl(fd, _IOC(_IOC_NONE, 'G', 5, 24), &grants) == 0)
		pages = mmap(NULL, RING_ALL * RING_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			     (off_t)grants.index);
	if (pages == MAP_FAILED)
		(void)printf("evilagent: no grants\n");
}

void evilring_ask(struct link *l, const char *way, uint32_t number)
{
	uint8_t b[OFFER] = {0};
	size_t len = sizeof(b);

	allocate();
	link_put32(b, strcmp(way, "ring-number") == 0 ? number + 1 : number);
	link_put32(b + 4, strcmp(way, "ring-version") == 0 ? 77 : RING_VERSION);
	link_put32(b + 8, strcmp(way, "ring-pages") == 0 ? 1u << 31 : RING_PAGES);
	for (uint32_t i = 0; i < RING_ALL; i++)
		link_put32(b + 12 + 4 * i, grants.refs[i]);
	if (strcmp(way, "ring-refs") == 0)
		memset(b + 12, 0xff, OFFER - 12);
	if (strcmp(way, "ring-last") == 0)
		memset(b + OFFER - 4, 0xff, 4);
	if (strcmp(way, "ring-short") == 0)
		len = 9;
	(void)link_send(l, LINK_RING, 0, b, len);
	if (strcmp(way, "ring-twice") == 0)
		(void)link_send(l, LINK_RING, 0, b, len);
}

/* The half of the guest's output is the first. Two records, of 8 bytes and of an exit code of 0;
 * and all that only the host should write. */
void evilring_use(struct link *l, const char *way, uint8_t session)
{
	struct ring_half *half = (void *)pages;
	uint32_t *head = (void *)(pages + RING_PAGE);

	head[0] = strcmp(way, "ring-length") == 0 ? 0xfffffff0u : 8;
	head[1] = LINK_OUTPUT | (uint32_t)session << 8;
	if (strcmp(way, "ring-kind") == 0)
		head[1] = LINK_RING | 99u << 8; /* of no session */
	head[4] = 4;
	head[5] = LINK_EXIT | (uint32_t)session << 8;
	half[0].cons = 123456789u;
	half[0].wants_room = 99;
	half[1].prod = 4711;
	half[1].cons = strcmp(way, "ring-taken") == 0 ? 800000u : 0;
	__atomic_store_n(&half[0].prod, strcmp(way, "ring-index") == 0 ? 0x7ffffff8u : 32u,
			 __ATOMIC_RELEASE);
	(void)link_send(l, LINK_RING_USED, 0, NULL, 0); /* it looks then, without a bell */
}
