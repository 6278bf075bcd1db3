/* SPDX-License-Identifier: BSD-3-Clause */
/* Another toolstack's domain: `domid ID` makes one of that id, waits for SIGTERM, and tells by its
 * status whether it was neither destroyed nor paused nor unpaused. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xen.h"

int main(int argc, char **argv)
{
	struct xen_domain_config c = {
		.max_vcpus = 1, .max_evtchn_port = 15, .max_grant_frames = 4, .grant_version = 1};
	struct xen_domain_info before;
	struct xen_domain_info after;
	struct xen *x;
	struct err e = {0};
	uint32_t id;
	sigset_t term;
	int sig;

	if (argc != 2) {
		fprintf(stderr, "usage: domid ID\n");
		return 2;
	}
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, NULL);
	c.domid = (uint32_t)strtoul(argv[1], NULL, 10);
	memset(c.uuid, 0x5a, sizeof(c.uuid));
	if (xen_open(&x, &e) < 0 || xen_domain_create(x, &c, &id) < 0 ||
	    xen_domain_max_vcpus(x, id, 1) < 0 || xen_domain_info(x, id, &before) < 0) {
		fprintf(stderr, "domid: %s\n", err_msg(&e));
		return 2;
	}
	(void)sigwait(&term, &sig);
	if (xen_domain_info(x, id, &after) < 0 || memcmp(after.uuid, c.uuid, 16) != 0 ||
	    after.dying || after.paused != before.paused)
		return 1;
	/* One unpause makes up for its creation: a second pause would still hold it. */
	if (xen_domain_unpause(x, id) < 0 || xen_domain_info(x, id, &after) < 0 || after.paused)
		return 1;
	if (xen_domain_destroy(x, id, c.uuid) < 0)
		return 1;
	xen_close(x);
	return 0;
}
