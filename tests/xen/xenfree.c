/* SPDX-License-Identifier: BSD-3-Clause */
/* xenfree: prints the free pages of the host; with "domains" how many domains Xen has beside dom0,
 * dying ones too, for the search for left-overs; with "pages ID" how many pages a domain has; with
 * "pause" it pauses all of them, so that what a failed test left does not hold up the next; with
 * "destroy" it destroys them, as a reboot of the host does. */
#include "base/xen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count_domains(struct xen *x, uint64_t *out)
{
	struct xen_domain_info info[64];
	uint32_t first = 1;
	int n;

	*out = 0;
	while ((n = xen_domain_list(x, first, 64, info)) > 0) {
		*out += (uint64_t)n;
		first = info[n - 1].domid + 1;
	}
	return n;
}

static int pages_of(struct xen *x, uint32_t domid, uint64_t *out)
{
	struct xen_domain_info info;
	int rc = xen_domain_info(x, domid, &info);

	*out = rc < 0 ? 0 : info.pages;
	return rc;
}

static int pause_domains(struct xen *x, uint64_t *out)
{
	struct xen_domain_info info[64];
	uint32_t first = 1;
	int n;

	*out = 0;
	while ((n = xen_domain_list(x, first, 64, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (!info[i].dying && xen_domain_pause(x, info[i].domid) == 0)
				(*out)++;
		first = info[n - 1].domid + 1;
	}
	return n;
}

static int destroy_domains(struct xen *x, uint64_t *out)
{
	struct xen_domain_info info[64];
	uint32_t first = 1;
	int n;

	*out = 0;
	while ((n = xen_domain_list(x, first, 64, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (!info[i].dying &&
			    xen_domain_destroy(x, info[i].domid, info[i].uuid) == 0)
				(*out)++;
		first = info[n - 1].domid + 1;
	}
	return n;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct err e = {0};
	uint64_t n = 0;
	struct xen *x;
	int rc = xen_open(&x, &e);

	if (rc == 0) {
		if (strcmp(what, "domains") == 0)
			rc = count_domains(x, &n);
		else if (strcmp(what, "pages") == 0 && argc > 2)
			rc = pages_of(x, (uint32_t)strtoul(argv[2], NULL, 10), &n);
		else if (strcmp(what, "pause") == 0)
			rc = pause_domains(x, &n);
		else if (strcmp(what, "destroy") == 0)
			rc = destroy_domains(x, &n);
		else
			rc = xen_free_pages(x, &n);
		if (rc < 0)
			(void)err_sys(&e, -rc, "ask Xen");
		xen_close(x);
	}
	if (rc < 0) {
		(void)fprintf(stderr, "xenfree: %s\n", err_msg(&e));
		return 1;
	}
	printf("%llu\n", (unsigned long long)n);
	return 0;
}
