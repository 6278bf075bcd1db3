/* SPDX-License-Identifier: BSD-3-Clause */
/* xensched: prints credit2's rate limit and the weight of dom0; xensched RATELIMIT WEIGHT sets
 * both. xensched DOMID: the weight of that domain. */
#include "base/xen.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct err e = {0};
	uint32_t us = 0;
	uint32_t weight = 0;
	struct xen *x;
	int rc = xen_open(&x, &e);

	if (rc < 0) {
		(void)fprintf(stderr, "xensched: %s\n", err_msg(&e));
		return 1;
	}
	if (argc == 3)
		rc = xen_set_ratelimit(x, (uint32_t)strtoul(argv[1], NULL, 10));
	if (argc == 3 && rc == 0)
		rc = xen_domain_sched(x, 0, (uint32_t)strtoul(argv[2], NULL, 10), UINT32_MAX);
	if (rc == 0)
		rc = xen_ratelimit(x, &us);
	if (rc == 0)
		rc = xen_domain_weight(x, argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0,
				       &weight);
	xen_close(x);
	if (rc < 0) {
		(void)fprintf(stderr, "xensched: error %d\n", -rc);
		return 1;
	}
	if (argc == 2)
		printf("%u\n", weight);
	else
		printf("%u %u\n", us, weight);
	return 0;
}
