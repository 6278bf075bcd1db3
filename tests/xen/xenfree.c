/* SPDX-License-Identifier: BSD-3-Clause */
/* xenfree: prints the free pages of the host, for the search for left-overs. */
#include "base/xen.h"

#include <stdio.h>

int main(void)
{
	struct err e = {0};
	uint64_t pages = 0;
	struct xen *x;
	int rc = xen_open(&x, &e);

	if (rc == 0) {
		rc = xen_free_pages(x, &pages);
		xen_close(x);
	}
	if (rc < 0) {
		(void)fprintf(stderr, "xenfree: %s\n", err_msg(&e));
		return 1;
	}
	printf("%llu\n", (unsigned long long)pages);
	return 0;
}
