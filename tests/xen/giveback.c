/* SPDX-License-Identifier: BSD-3-Clause */
/* giveback DOMID: gives memory of a PVH domain that is not dying back to Xen, which then does not
 * scrub it, as a guest's balloon does. Prints the number of pages. */
#include "base/xen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What lies below (the image) and at the top (pages that are mapped in dom0) stays. */
#define LOWEST	0x200u
#define TOP	0x200u
#define AT_ONCE 512u

int main(int argc, char **argv)
{
	struct err e = {0};
	struct xen *x = NULL;
	struct xen_domain_info info;
	uint32_t domid = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	uint64_t n = 0;
	int rc = domid ? xen_open(&x, &e) : err_set(&e, EINVAL, "usage: giveback DOMID");

	if (rc == 0)
		rc = xen_domain_info(x, domid, &info);
	if (rc == 0 && (!info.hvm || info.pages <= LOWEST + TOP))
		rc = err_set(&e, EINVAL, "not a PVH domain, or a small one");
	for (uint64_t at = LOWEST; rc == 0 && at + AT_ONCE <= info.pages - TOP; at += AT_ONCE) {
		xen_pfn_t frame[AT_ONCE];

		for (uint32_t i = 0; i < AT_ONCE; i++)
			frame[i] = at + i;
		if (xc_domain_decrease_reservation_exact(xen_xc(x), domid, AT_ONCE, 0, frame) < 0)
			rc = err_sys(&e, errno, "give pages back");
		else
			n += AT_ONCE;
	}
	xen_close(x);
	if (rc < 0) {
		(void)fprintf(stderr, "giveback: %s\n", err_msg(&e));
		return 1;
	}
	printf("%llu\n", (unsigned long long)n);
	return 0;
}
