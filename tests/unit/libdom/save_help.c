/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/libdom/save_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "libdom/template.h"

struct xen *x;
uint32_t guest_pages = PAGES;
static const char owner[] = "an owner's bytes";

static int make(struct guest *g, const struct way *w)
{
	struct dom_spec spec = {
		.type = w->type, .mem_kib = guest_pages * 4, .vcpus = 1, .cap = UINT32_MAX};
	int rc = dom_prepare(x, &spec, NULL, &g->d, NULL);

	g->pages = NULL;
	if (rc == 0)
		rc = xen_map(x, g->d.domid, true, 2,
			     (xen_pfn_t[]){g->d.dev_frame, g->d.control_frame}, (void **)&g->pages);
	return rc;
}

void live(struct guest *g, const struct way *w)
{
	struct noxs_control *c;

	assert_int_equal(make(g, w), 0);
	g->noted = w->noted;
	g->taken = w->taken;
	memset(g->pages, 0, 2 * PAGE);
	c = (struct noxs_control *)(void *)(g->pages + PAGE);
	c->can = NOXS_CAN_SAVE | (w->plain ? NOXS_CAN_PLAIN : 0);
	c->untouched_gfn = UNUSED;
	c->untouched_end = USED;
	c->out_prod = 77;
	((struct noxs_page *)(void *)g->pages)->image_end_gfn = 3;
	for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++)
		fill(g->d.domid, gfn, gfn == ZERO ? 0 : (int)(gfn + 1));
	if (w->tables) { /* two pages change places */
		uint64_t *l1 = fake_page(g->d.domid, g->d.page_table_gfn + 3);
		uint64_t entry = l1[5];

		l1[5] = l1[6];
		l1[6] = entry;
		(void)munmap(l1, PAGE);
	}
}

void end(struct guest *g)
{
	xen_unmap(x, g->pages, 2);
	(void)dom_destroy(x, &g->d, NULL);
}

struct save_source source_of(const struct guest *g)
{
	return (struct save_source){.domid = g->d.domid,
				    .type = g->d.type,
				    .dev_frame = g->d.dev_frame,
				    .control_frame = g->d.control_frame,
				    .vcpus = 1,
				    .pages = guest_pages,
				    .limits = {.asked = DOM_LIMIT_EVTCHN_PORT, .evtchn_port = 99},
				    .device = g->pages,
				    .control = g->pages + PAGE,
				    .frames = g->noted ? g->d.frames : (struct dom_frames){0}};
}

int save(struct guest *g, int fd, struct save_stats *st, struct err *e)
{
	struct save_source from = source_of(g);
	struct save_stream *taken = NULL;
	struct transfer t;
	int rc = transfer_open(&t, dup(fd), true, e);

	if (rc == 0 && g->taken) {
		rc = dom_template_take(x, &from, &taken, st, e);
		if (rc == 0)
			rc = dom_template_write(taken, owner, sizeof(owner), &t, st, e);
		if (taken)
			dom_template_unmap(x, taken);
		save_close(taken);
		transfer_close(&t);
	} else if (rc == 0) {
		rc = save_write(x, &from, owner, sizeof(owner), &t, st, e);
		transfer_close(&t);
	}
	return rc;
}

int open_stream(int fd, struct transfer *t, struct save_stream **s, struct err *e)
{
	int rc = transfer_open(t, dup(fd), false, e);

	*s = NULL;
	if (rc == 0) {
		rc = save_open(x, t, s, e);
		if (rc == 0)
			rc = save_verify(*s, e);
		if (rc == 0)
			return 0;
		save_close(*s);
		transfer_close(t);
	}
	return rc;
}

int restore(int fd, struct guest *g, const struct way *w, struct err *e)
{
	struct save_stats st;
	struct save_stream *s;
	struct transfer t;
	struct dom_spec spec = {.cap = UINT32_MAX};
	int rc = open_stream(fd, &t, &s, e);

	memset(g, 0, sizeof(*g));
	if (rc < 0)
		return rc;
	assert_int_equal(save_info(s)->owner_bytes, sizeof(owner));
	assert_memory_equal(save_info(s)->owner, owner, sizeof(owner));
	save_spec(s, &spec);
	assert_int_equal(spec.limits.evtchn_port, 99);
	assert_int_equal(spec.mem_kib, PAGES * 4);
	rc = dom_prepare(x, &spec, NULL, &g->d, e);
	if (rc == 0 && w->window)
		rc = dom_window(x, &g->d, 30, e);
	if (rc == 0)
		rc = save_restore(x, s, &g->d, &st, e);
	dom_window_close(x, &g->d);
	save_close(s);
	transfer_close(&t);
	if (rc < 0)
		(void)dom_destroy(x, &g->d, NULL);
	return rc;
}

int begin_save(void **state)
{
	(void)state;
	fake_reset();
	fake_set_dirty(true);
	return xen_open(&x, NULL);
}

int end_save(void **state)
{
	struct fake_count n;

	(void)state;
	fake_count(&n);
	xen_close(x);
	fake_reset();
	return n.mapped_pages == 0 && n.domains == 0 ? 0 : -1;
}
