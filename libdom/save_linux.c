/* SPDX-License-Identifier: BSD-3-Clause */
/* PVH guests without noxs, mainly Linux: the parts of a stream besides pages and vCPUs, and what
 * must be set in a new domain before such a guest continues. Sources: Xen public/hvm/params.h
 * and memory.h; libxenguest for the places of pages outside of RAM. */
#include "libdom/save_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/domctl.h>
#include <xen/grant_table.h>
#include <xen/hvm/params.h>

#include "base/random.h"

/* Those that Xen does not take out of the vCPUs' records. */
static const uint32_t params[SAVE_PARAMS] = {HVM_PARAM_IDENT_PT, HVM_PARAM_VM86_TSS_SIZED,
					     HVM_PARAM_ACPI_IOPORTS_LOCATION,
					     HVM_PARAM_X87_FIP_WIDTH, HVM_PARAM_MCA_CAP};

/* --- where its frames can be --- */

#define HOLE_GFN (BUILD_MMIO_START / PAGE_BYTES)
#define HIGH_GFN (BUILD_GIB4 / PAGE_BYTES)

/* In ascending order: RAM below the hole, ACPI tables, pages of store and console, RAM from 4
 * GiB on. */
static void places(uint64_t pages, struct layout_run r[SAVE_LINUX_PLACES])
{
	r[0] = (struct layout_run){0, pages < HOLE_GFN ? pages : HOLE_GFN};
	r[1] = (struct layout_run){LAYOUT_PVH_ACPI_GFN, 16};
	r[2] = (struct layout_run){0xfefe0, 32};
	r[3] = (struct layout_run){HIGH_GFN, pages < HOLE_GFN ? 0 : pages - HOLE_GFN};
}

static bool is_ram(uint32_t place)
{
	return place == 0 || place == 3;
}

bool save_linux_has(uint64_t pages, uint64_t gfn, uint64_t n)
{
	struct layout_run r[SAVE_LINUX_PLACES];

	places(pages, r);
	for (uint32_t i = 0; i < SAVE_LINUX_PLACES; i++)
		if (gfn >= r[i].gfn && gfn - r[i].gfn < r[i].pages &&
		    n <= r[i].pages - (gfn - r[i].gfn))
			return true;
	return false;
}

static bool is_ram_of(uint64_t pages, uint64_t gfn)
{
	struct layout_run r[SAVE_LINUX_PLACES];

	places(pages, r);
	return gfn < r[0].pages || (gfn >= r[3].gfn && gfn - r[3].gfn < r[3].pages);
}

uint64_t save_linux_top(uint64_t pages)
{
	struct layout_run r[SAVE_LINUX_PLACES];

	places(pages, r);
	return r[3].pages ? r[3].gfn + r[3].pages : r[0].pages;
}

bool saving_in_rounds(const struct save_header *h, uint64_t gfn)
{
	if (h->kind == SAVE_KIND_LINUX)
		return gfn != h->dev_gfn && gfn != h->control_gfn && is_ram_of(h->pages, gfn);
	/* the rings lie below the control page */
	return gfn < h->pages && gfn != h->dev_gfn &&
	       (gfn > h->control_gfn || gfn < h->control_gfn - h->ring_pages);
}

/* --- out of a domain --- */

int save_linux_header(struct xen *x, const struct save_source *from, struct save_header *h,
		      struct err *e)
{
	for (uint32_t i = 0; i < SAVE_PARAMS; i++) {
		uint64_t value = 0;
		int rc = xen_hvm_param_get(x, from->domid, params[i], &value);

		if (rc < 0 && rc != -EINVAL) /* a Xen that does not know it */
			return err_sys(e, -rc, "read HVM parameter %u of domain %u", params[i],
				       from->domid);
		h->param[i] = rc < 0 ? 0 : value;
	}
	h->kind = SAVE_KIND_LINUX;
	h->dev_gfn = from->dev_frame;
	h->control_gfn = from->control_frame;
	return 0;
}

/* The frames of [gfn, gfn + n) that have a page of the guest. */
static int add_frames(struct saving *s, const struct layout_run *r, xen_pfn_t *type, struct err *e)
{
	int rc;

	for (uint64_t i = 0; i < r->pages; i++)
		type[i] = r->gfn + i;
	rc = xen_page_types(s->x, s->from->domid, (uint32_t)r->pages, type);
	if (rc < 0)
		return err_sys(e, -rc, "read the types of pages of domain %u", s->from->domid);
	for (uint64_t i = 0; i < r->pages; i++) {
		/* it does not exist, or is a page of Xen that the guest maps again itself */
		if ((type[i] & XEN_DOMCTL_PFINFO_LTAB_MASK) == XEN_DOMCTL_PFINFO_XTAB ||
		    (type[i] & XEN_DOMCTL_PFINFO_LTAB_MASK) == XEN_DOMCTL_PFINFO_BROKEN)
			continue;
		s->kind[s->n] = SAVE_RUN_PAGES;
		s->gfn[s->n++] = r->gfn + i;
	}
	return 0;
}

int save_linux_pages(struct saving *s, struct err *e)
{
	struct layout_run r[SAVE_LINUX_PLACES];
	struct xen_domain_info info;
	uint64_t most = 0;
	xen_pfn_t *type;
	int rc = xen_domain_info(s->x, s->from->domid, &info);

	if (rc < 0)
		return err_sys(e, -rc, "get the state of domain %u", s->from->domid);
	if (s->part == SAVING_LAST)
		return saving_choose_due(s, e);
	places(s->from->pages, r);
	for (uint32_t i = 0; i < SAVE_LINUX_PLACES; i++)
		most += r[i].pages;
	s->gfn = malloc(most * sizeof(*s->gfn));
	s->kind = malloc(most);
	type = malloc(most * sizeof(*type));
	if (!s->gfn || !s->kind || !type)
		rc = err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; rc == 0 && i < SAVE_LINUX_PLACES; i++)
		rc = add_frames(s, &r[i], type, e);
	free(type);
	if (rc < 0)
		return rc;
	s->st->pages = s->from->pages;
	if (s->n < info.pages)
		return err_set(e, EOPNOTSUPP,
			       "%llu of its pages are at addresses that cannot be restored",
			       (unsigned long long)(info.pages - s->n));
	return 0;
}

/* --- into a domain --- */

static bool has_frame(const struct save_stream *s, uint64_t gfn)
{
	for (uint32_t i = 0; i < s->h.runs; i++)
		if (gfn >= s->run[i].gfn && gfn - s->run[i].gfn < s->run[i].pages)
			return true;
	return false;
}

/* Populates the pages outside of RAM, which a new domain does not have. */
static int populate(struct xen *x, const struct save_stream *s, const struct dom *d, struct err *e)
{
	struct layout_run place[SAVE_LINUX_PLACES];
	xen_pfn_t gfn[SAVE_LINUX_SPECIAL];
	uint32_t n = 0;
	int rc;

	places(s->h.pages, place);
	for (uint32_t p = 0; p < SAVE_LINUX_PLACES; p++) {
		if (is_ram(p))
			continue;
		for (uint64_t at = place[p].gfn; at < place[p].gfn + place[p].pages; at++)
			if (has_frame(s, at))
				gfn[n++] = at;
	}
	rc = n ? xen_populate(x, d->domid, n, 0, gfn) : 0;
	return rc < 0 ? err_sys(e, -rc, "populate the special pages of domain %u", d->domid) : 0;
}

/* Its balloon driver keeps a target in whole MiB, except for the few frames that never had
 * pages. */
#define TARGET_PAGES 256u

/* Memory that the guest has returned stays returned. */
static int populate_ram(struct xen *x, const struct save_stream *s, struct dom *d, struct err *e)
{
	uint64_t had = 0;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->h.runs;) {
		uint64_t gfn = s->run[i].gfn;
		uint64_t end = gfn + s->run[i++].pages;

		while (i < s->h.runs && s->run[i].gfn == end) /* of another kind */
			end += s->run[i++].pages;
		if (!is_ram_of(s->h.pages, gfn))
			continue;
		had += end - gfn;
		rc = build_populate_run(x, d, gfn, end - gfn, e);
	}
	had = (had + TARGET_PAGES - 1) / TARGET_PAGES * TARGET_PAGES;
	d->had_pages = had < d->pages ? had : 0;
	return rc;
}

int save_linux_begin(struct xen *x, const struct save_stream *s, struct dom *d, struct err *e)
{
	int rc = linux_memory_map(x, d, e);

	if (rc == 0 && d->build->empty)
		rc = populate_ram(x, s, d, e);

	d->dev_gfn = d->dev_frame = s->h.dev_gfn;
	d->control_gfn = d->control_frame = s->h.control_gfn;
	return rc < 0 ? rc : populate(x, s, d, e);
}

int save_linux_empty_rings(struct xen *x, uint32_t domid, uint64_t store, uint64_t console,
			   struct err *e)
{
	const xen_pfn_t frame[2] = {store, console};
	void *at = NULL;
	int rc = xen_map(x, domid, true, 2, frame, &at);

	if (rc < 0)
		return err_sys(e, -rc, "map store and console page of domain %u", domid);
	memset(at, 0, 2 * PAGE_BYTES);
	xen_unmap(x, at, 2);
	return 0;
}

static int grant_rings(struct xen *x, const struct dom *d, struct err *e)
{
	xen_pfn_t store = d->dev_frame;
	xen_pfn_t console = d->control_frame;
	int rc = xen_grant_seed(x, d->domid, GNTTAB_RESERVED_CONSOLE, 1, &console);

	if (rc == 0)
		rc = xen_grant_seed(x, d->domid, GNTTAB_RESERVED_XENSTORE, 1, &store);
	return rc < 0 ? err_sys(e, -rc, "grant store and console page of domain %u", d->domid) : 0;
}

static int set_params(struct xen *x, const struct save_stream *s, const struct dom *d,
		      struct err *e)
{
	const struct {
		uint32_t param;
		uint64_t value;
	} own[] = {{HVM_PARAM_STORE_PFN, d->dev_gfn},
		   {HVM_PARAM_STORE_EVTCHN, d->store_port},
		   {HVM_PARAM_CONSOLE_PFN, d->control_gfn},
		   {HVM_PARAM_CONSOLE_EVTCHN, d->console_port}};
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < SAVE_PARAMS; i++)
		if (s->h.param[i])
			rc = xen_hvm_param_set(x, d->domid, params[i], s->h.param[i]);
	if (rc < 0)
		return err_set(e, EPROTO, "the file is damaged: Xen refuses its HVM parameters");
	for (uint32_t i = 0; rc == 0 && i < sizeof(own) / sizeof(own[0]); i++)
		rc = xen_hvm_param_set(x, d->domid, own[i].param, own[i].value);
	return rc < 0 ? err_sys(e, -rc, "set HVM parameters of domain %u", d->domid) : 0;
}

/* The ACPI tables are where chaosd has put them, if it has made the guest. Otherwise this
 * changes bytes after the tables, or there is no such page. */
static int new_generation(struct xen *x, const struct save_stream *s, const struct dom *d,
			  struct err *e)
{
	xen_pfn_t frame = LAYOUT_PVH_ACPI_GFN;
	uint8_t *at = NULL;
	int rc = 0;

	if (s->keep_generation || !has_frame(s, frame))
		return 0;
	rc = xen_map(x, d->domid, true, 1, &frame, (void **)&at);
	if (rc < 0)
		return err_sys(e, -rc, "map the ACPI tables of domain %u", d->domid);
	rc = random_bytes(at + ACPI_GENERATION_AT, ACPI_GENERATION_BYTES, "generation id", e);
	xen_unmap(x, at, 1);
	return rc;
}

int save_linux_end(struct xen *x, const struct save_stream *s, const struct dom *d, struct err *e)
{
	int rc = save_linux_empty_rings(x, d->domid, d->dev_frame, d->control_frame, e);

	if (rc == 0)
		rc = grant_rings(x, d, e);
	if (rc == 0)
		rc = new_generation(x, s, d, e);
	return rc < 0 ? rc : set_params(x, s, d, e);
}
