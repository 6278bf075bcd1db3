/* SPDX-License-Identifier: BSD-3-Clause */
/* nonzero DOMID: prints how many pages of a domain that does not run are not all zero. */
#include "base/xen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenforeignmemory.h>

#define AT_ONCE 1024u
#define PAGE	4096u

/* Of so many frames those count that can be mapped: others are holes, or another domain's. */
static uint32_t look(xenforeignmemory_handle *fm, uint32_t domid, xen_pfn_t first)
{
	static const uint8_t zero[PAGE];
	xen_pfn_t frame[AT_ONCE];
	int failed[AT_ONCE];
	uint32_t n = 0;
	uint8_t *at;

	for (uint32_t i = 0; i < AT_ONCE; i++)
		frame[i] = first + i;
	at = xenforeignmemory_map(fm, domid, PROT_READ, AT_ONCE, frame, failed);
	if (!at)
		return 0;
	for (uint32_t i = 0; i < AT_ONCE; i++)
		n += failed[i] == 0 && memcmp(at + (size_t)i * PAGE, zero, PAGE) != 0;
	(void)xenforeignmemory_unmap(fm, at, AT_ONCE);
	return n;
}

/* PV domains are looked for all over the machine: their frames are machine frames. */
static int count(struct xen *x, uint32_t domid, uint32_t *found, struct err *e)
{
	xenforeignmemory_handle *fm = xenforeignmemory_open(NULL, 0);
	struct xen_domain_info info;
	xen_pfn_t end;
	int rc = xen_domain_info(x, domid, &info);

	*found = 0;
	if (rc < 0)
		rc = err_sys(e, -rc, "domain %u", domid);
	else if (!fm)
		rc = err_sys(e, errno, "mapping device");
	end = info.pages;
	if (rc == 0 && !info.hvm && xc_maximum_ram_page(xen_xc(x), &end) < 0)
		rc = err_sys(e, errno, "size of the machine");
	for (xen_pfn_t at = 0; rc == 0 && at < end; at += AT_ONCE)
		*found += look(fm, domid, at);
	if (fm)
		(void)xenforeignmemory_close(fm);
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = {0};
	struct xen *x = NULL;
	uint32_t found = 0;
	int rc = argc == 2 ? xen_open(&x, &e) : err_set(&e, EINVAL, "usage: nonzero DOMID");

	if (rc == 0)
		rc = count(x, (uint32_t)strtoul(argv[1], NULL, 10), &found, &e);
	xen_close(x);
	if (rc < 0) {
		(void)fprintf(stderr, "nonzero: %s\n", err_msg(&e));
		return 1;
	}
	printf("%u\n", found);
	return 0;
}
