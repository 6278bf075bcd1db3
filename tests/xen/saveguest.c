/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest "lives": booted, connected, stopped, and asked what it has. */
#include "tests/xen/saveguest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "noxs/page.h"

#define WAIT_NS	 60000000000ull
#define CLOCK_MS 5000u /* that the guest's wall clock may be wrong */

uint64_t guest_generation = 1;

/* --- one guest --- */

void guest_drain(struct guest *g)
{
	char buf[NOXS_CONSOLE_OUT_SIZE];
	int n = noxs_console_take(&g->con, buf, sizeof(buf));

	if (n <= 0)
		return;
	noxs_console_release(&g->con);
	(void)xen_evtchn_notify(g->x, g->port);
	if (g->used + (uint32_t)n >= sizeof(g->text))
		g->used = 0;
	memcpy(g->text + g->used, buf, (size_t)n);
	g->used += (uint32_t)n;
	g->text[g->used] = 0;
}

static void wait_a_moment(struct guest *g)
{
	struct pollfd p = {xen_evtchn_fd(g->x), POLLIN, 0};
	uint32_t which;

	(void)poll(&p, 1, 50);
	while (xen_evtchn_pending(g->x, &which) == 0)
		(void)xen_evtchn_unmask(g->x, which);
	guest_drain(g);
}

int guest_connect(struct guest *g, bool fresh, const char *cmdline, struct err *e)
{
	const struct dom *d = &g->d;
	struct noxs_page copy;
	struct noxs_facts f = {.pv = d->type == DOM_PV,
			       .resumed = !fresh,
			       .generation = guest_generation++,
			       .domid = d->domid,
			       .vcpus = d->vcpus,
			       .mem_pages = d->pages,
			       .shared_info_gfn = d->shared_info_gfn,
			       .control_gfn = d->control_gfn,
			       .page_table_gfn = d->page_table_gfn,
			       .page_table_pages = d->page_table_pages,
			       .image_end_gfn = d->image_end_gfn,
			       .entry = d->entry,
			       .cmdline = cmdline};
	int rc = xen_evtchn_alloc(g->x, d->domid, 0, &g->guest_port);

	if (rc == 0)
		rc = xen_evtchn_bind(g->x, d->domid, g->guest_port, &g->port);
	if (rc == 0)
		rc = xen_map(g->x, d->domid, true, 2, (xen_pfn_t[]){d->dev_frame, d->control_frame},
			     (void **)&g->pages);
	if (rc < 0)
		return err_sys(e, -rc, "connect domain %u", d->domid);
	if (fresh) {
		memset(g->pages, 0, 8192);
		noxs_control_init(&g->con, g->pages + 4096);
	} else {
		noxs_control_adopt(&g->con, g->pages + 4096);
	}
	f.control_port = g->guest_port;
	rc = noxs_page_fill(&copy, &f, e);
	if (rc == 0)
		noxs_page_show(g->pages, &copy);
	return rc;
}

void guest_end(struct guest *g)
{
	if (g->port)
		(void)xen_evtchn_unbind(g->x, g->port);
	xen_unmap(g->x, g->pages, 2);
	(void)dom_destroy(g->x, &g->d, NULL);
	free(g);
}

struct guest *guest_new(struct xen *x)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->x = x;
	dom_init(&g->d);
	return g;
}

static bool is_ready(const struct guest *g)
{
	struct noxs_guest_words w;

	noxs_control_words(&g->con, &w);
	return w.state == NOXS_STATE_READY;
}

int guest_boot(struct guest *g, const struct dom_spec *spec, const char *image, const char *cmdline,
	       struct err *e)
{
	struct dom_load load = {.cmdline = cmdline};
	uint64_t start = clock_ns();
	struct image *img = NULL;
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_sys(e, errno, "%s", image);
	rc = image_open(fd, image, NULL, &img, e);
	(void)close(fd);
	if (rc == 0)
		rc = dom_prepare(g->x, spec, NULL, &g->d, e);
	if (rc == 0)
		rc = dom_load(g->x, &g->d, img, &load, e);
	if (rc == 0)
		rc = guest_connect(g, true, cmdline, e);
	if (rc == 0)
		rc = xen_domain_unpause(g->x, g->d.domid);
	while (rc == 0 && !is_ready(g)) {
		wait_a_moment(g);
		if (clock_ns() - start > WAIT_NS)
			rc = err_set(e, ETIMEDOUT, "it is not ready");
	}
	image_put(img);
	return rc;
}

/* Waits for a whole line with its domid and generation, and looks at what it says. */
int guest_check_words(struct guest *g, uint64_t *count, struct err *e)
{
	uint64_t start = clock_ns();

	for (;;) {
		unsigned long gen;
		unsigned long n;
		unsigned long wrong;
		unsigned long wall;
		unsigned int dom;
		unsigned int vcpus;
		char clock[16];
		uint64_t now = clock_wall_ns() / 1000000;
		const char *at = strstr(g->text, "lives: dom");

		if (at && strchr(at, '\n')) {
			g->used = 0;
			/* NOLINTNEXTLINE(cert-err34-c): numbers of our own guest */
			if (sscanf(at,
				   "lives: dom %u generation %lu count %lu wrong %lu vcpus %u "
				   "clock %15s wall %lu",
				   &dom, &gen, &n, &wrong, &vcpus, clock, &wall) == 7 &&
			    dom == g->d.domid && wrong == 0 && n > *count && vcpus == g->d.vcpus &&
			    strcmp(clock, "ok") == 0 && wall + CLOCK_MS > now &&
			    wall < now + CLOCK_MS) {
				*count = n;
				g->text[0] = 0;
				return 0;
			}
			return err_set(e, EPROTO, "domain %u, %llu, count %llu, says: %s",
				       g->d.domid, (unsigned long long)now,
				       (unsigned long long)*count, at);
		}
		if (clock_ns() - start > WAIT_NS)
			return err_set(e, ETIMEDOUT, "domain %u is silent: %s", g->d.domid,
				       g->text);
		wait_a_moment(g);
	}
}

/* --- stopping it --- */

int guest_suspend(struct guest *g, struct err *e)
{
	struct xen_domain_info info;
	uint64_t start = clock_ns();

	if (!save_can_suspend(g->con.page))
		return err_set(e, EOPNOTSUPP, "it does not stop when it is asked to");
	noxs_control_request(&g->con, NOXS_REQ_SUSPEND);
	(void)xen_evtchn_notify(g->x, g->port);
	while (clock_ns() - start < WAIT_NS) {
		if (xen_domain_info(g->x, g->d.domid, &info) == 0 && info.shutdown)
			return 0;
		wait_a_moment(g);
	}
	return err_set(e, ETIMEDOUT, "it does not stop");
}

int guest_pause_blocked(struct guest *g, struct err *e)
{
	struct xen_domain_info info = {0};
	uint64_t start = clock_ns();

	while (clock_ns() - start < WAIT_NS) {
		int rc = xen_domain_pause(g->x, g->d.domid);

		if (rc == 0)
			rc = xen_domain_info(g->x, g->d.domid, &info);
		if (rc < 0)
			return err_sys(e, -rc, "pause domain %u", g->d.domid);
		if (info.blocked)
			return 0;
		(void)xen_domain_unpause(g->x, g->d.domid);
		wait_a_moment(g);
	}
	return err_set(e, ETIMEDOUT, "it never waits");
}
