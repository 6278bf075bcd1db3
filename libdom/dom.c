/* SPDX-License-Identifier: BSD-3-Clause */
/* The phases of a domain, whatever builds it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libdom/build.h"

const char *dom_type_name(enum dom_type type)
{
	return type == DOM_PV ? "pv" : "pvh";
}

const char *dom_phase_name(enum dom_phase p)
{
	static const char *const name[DOM_T_COUNT] = {"create", "vcpus",   "memory", "tables",
						      "load",	"context", "start"};

	return p < DOM_T_COUNT ? name[p] : "?";
}

/* --- prepare --- */

int dom_prepare(struct xen *x, const struct dom_spec *spec, const struct image *img, struct dom *d,
		struct err *e)
{
	uint64_t since = clock_ns();
	bool direct;
	int rc;

	dom_init(d);
	memcpy(d->uuid, spec->uuid, sizeof(d->uuid));
	rc = build_begin(d, spec, img, e);
	direct = rc == 0 && d->build->direct;
	if (rc == 0)
		rc = build_create(x, d, spec, &since, e);
	if (rc == 0 && !d->build->empty)
		rc = build_populate(x, d, e);
	build_lap(d, DOM_T_MEMORY, &since);
	if (rc == 0 && direct) { /* what noxs guests have from the start */
		d->dev_frame = build_frame(d->build, d->dev_gfn);
		d->control_frame = build_frame(d->build, d->control_gfn);
		rc = d->type == DOM_PV ? pv_tables(x, d, e) : pvh_tables(x, d, e);
	}
	if (rc == 0 && d->ring_pages)
		rc = build_rings(x, d, e);
	build_lap(d, DOM_T_TABLES, &since);
	if (rc == 0 && direct)
		rc = d->type == DOM_PV ? pv_arm(x, d, NULL, e) : pvh_arm(x, d, NULL, e);
	build_lap(d, DOM_T_CONTEXT, &since);
	if (rc < 0)
		(void)dom_destroy(x, d, NULL);
	return rc;
}

/* --- load --- */

static int load_standard(struct xen *x, struct dom *d, const struct image *img,
			 const struct dom_load *load, struct err *e)
{
	struct dom_build *b = d->build;
	uint64_t mods;
	uint64_t need;
	int rc = build_module_bytes(load, &mods, e);

	if (rc < 0)
		return rc;
	rc = build_plan(img, d->type, d->pages, mods, (uint32_t)strlen(load->cmdline) + 1, 0, &b->l,
			&need, e);
	if (rc == -ENOSPC)
		return err_set(
			e, EINVAL,
			"memory %llu KiB is too small for the image and its modules: %llu KiB are "
			"needed",
			(unsigned long long)d->pages * 4, (unsigned long long)need * 4);
	if (rc < 0)
		return rc;
	rc = d->type == DOM_PV ? pv_load_standard(x, d, img, load, e)
			       : pvh_load_standard(x, d, img, load, e);
	d->dev_gfn = b->l.dev_gfn;
	d->control_gfn = b->l.control_gfn;
	d->image_end_gfn = b->l.image_end_gfn;
	d->dev_frame = build_frame(b, d->dev_gfn);
	d->control_frame = build_frame(b, d->control_gfn);
	return rc;
}

static int load_direct(struct xen *x, struct dom *d, const struct image *img,
		       const struct dom_load *load, struct err *e)
{
	struct dom_build *b = d->build;
	uint64_t end = (build_image_end(img, d->type) + PAGE_BYTES - 1) / PAGE_BYTES;

	if (load->nmodule)
		return err_set(e, EINVAL,
			       "image \"%s\" starts by its noxs entry and takes no ramdisk",
			       img->info.name);
	if (d->type == DOM_PV && img->info.virt_base != b->virt_base)
		return err_set(e, EINVAL, "image \"%s\" has VIRT_BASE 0x%llx, the shell 0x%llx",
			       img->info.name, (unsigned long long)img->info.virt_base,
			       (unsigned long long)b->virt_base);
	if (end > b->l.rings.gfn)
		return err_set(e, EINVAL,
			       "memory %llu KiB is too small for image \"%s\": it needs %llu KiB",
			       (unsigned long long)d->pages * 4, img->info.name,
			       (unsigned long long)image_min_kib(img, d->type, d->vcpus, 0));
	d->image_end_gfn = end;
	d->entry = img->elf.notes.noxs_entry;
	return build_load_image(x, d, img, e);
}

int dom_load(struct xen *x, struct dom *d, const struct image *img, const struct dom_load *l,
	     struct err *e)
{
	uint64_t since = clock_ns();
	int rc = 0;

	if (d->build->direct != img->info.direct ||
	    d->build->for_linux != (img->info.builder == IMAGE_LINUX))
		return err_set(e, EINVAL, "image \"%s\" cannot go into a shell of this kind",
			       img->info.name);
	if (!d->build->fits)
		rc = build_check_image(img, d->type, d->pages * 4, d->vcpus, e);
	if (rc < 0)
		return rc;
	if (img->info.builder == IMAGE_LINUX)
		rc = linux_load(x, d, img, l, e);
	else if (d->build->direct)
		rc = load_direct(x, d, img, l, e);
	else
		rc = load_standard(x, d, img, l, e);
	build_lap(d, DOM_T_LOAD, &since);
	if (rc == 0 && (d->build->direct || d->build->libxenguest))
		dom_release(d);
	return rc;
}

int dom_build(struct xen *x, const struct dom_spec *spec, const struct image *img,
	      struct dom_load *l, struct dom *d, struct err *e)
{
	int rc = dom_prepare(x, spec, img, d, e);

	if (rc < 0)
		return rc;
	if (l->ports)
		rc = l->ports(l->arg, x, d->domid, l, e);
	if (rc == 0)
		rc = dom_load(x, d, img, l, e);
	if (rc < 0)
		(void)dom_destroy(x, d, NULL);
	return rc;
}

/* --- start and end --- */

int dom_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e)
{
	uint64_t since;
	int rc;

	if (!d->build)
		return 0;
	since = clock_ns();
	rc = d->type == DOM_PV ? pv_arm(x, d, img, e) : pvh_arm(x, d, img, e);
	build_lap(d, DOM_T_CONTEXT, &since);
	if (rc == 0)
		dom_release(d);
	return rc;
}

int dom_window(struct xen *x, struct dom *d, uint32_t pages, struct err *e)
{
	uint64_t first = d->build->for_linux ? BUILD_LINUX_GFN : 0;
	/* not what lies above: page tables of PV must not be mapped */
	uint64_t end = d->build->for_linux ? d->pages : d->ring_gfn;
	/* as a saved guest has left them, which an image has not */
	bool tables = d->type == DOM_PVH && !d->build->for_linux && !d->build->fits;
	uint32_t ntables = tables ? (uint32_t)d->page_table_pages : 0;
	xen_pfn_t *frames;
	void *at = NULL;
	int rc;

	if (pages > DOM_WINDOW_MAX)
		pages = DOM_WINDOW_MAX;
	if (end <= first || pages == 0)
		return 0;
	if (pages > end - first)
		pages = (uint32_t)(end - first);
	frames = malloc((pages + ntables) * sizeof(*frames));
	if (!frames)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < pages; i++)
		frames[i] = build_frame(d->build, first + i);
	for (uint32_t i = 0; i < ntables; i++)
		frames[pages + i] = d->page_table_gfn + i;
	rc = xen_map(x, d->domid, true, pages + ntables, frames, &at);
	free(frames);
	if (rc < 0)
		return err_sys(e, -rc, "map %u pages of domain %u", pages, d->domid);
	d->window = at;
	d->window_gfn = first;
	d->window_pages = pages;
	d->window_tables = ntables;
	return 0;
}

void dom_window_close(struct xen *x, struct dom *d)
{
	if (d->window)
		xen_unmap(x, d->window, d->window_pages + d->window_tables);
	d->window = NULL;
	d->window_pages = d->window_tables = 0;
	if (d->tables)
		xen_unmap(x, d->tables, (uint32_t)d->page_table_pages);
	d->tables = NULL;
}

void dom_window_move(struct dom *to, struct dom *from)
{
	to->window = from->window;
	to->window_gfn = from->window_gfn;
	to->window_pages = from->window_pages;
	to->window_tables = from->window_tables;
	to->tables = from->tables;
	to->page_table_gfn = from->page_table_gfn;
	to->page_table_pages = from->page_table_pages;
	from->window = from->tables = NULL;
	from->window_pages = from->window_tables = 0;
}

void dom_release(struct dom *d)
{
	d->control = NULL;
	if (!d->build)
		return;
	free(d->build->frame);
	free(d->build);
	d->build = NULL;
}

int dom_destroy(struct xen *x, struct dom *d, struct err *e)
{
	int rc = 0;

	dom_release(d);
	dom_window_close(x, d);
	if (d->domid)
		rc = xen_domain_destroy(x, d->domid, d->uuid);
	if (rc < 0 && rc != -ESRCH)
		return err_sys(e, -rc, "destroy domain %u", d->domid);
	d->domid = 0;
	return 0;
}
