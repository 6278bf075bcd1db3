/* SPDX-License-Identifier: BSD-3-Clause */
/* The phases of a domain, whatever builds it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libdom/build.h"

/* Pages beyond RAM: store, console, ACPI; images of others get what xl gives. */
#define SLACK_KIB	 16u
#define OTHERS_SLACK_KIB 1024u

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

void dom_init(struct dom *d)
{
	memset(d, 0, sizeof(*d));
}

/* Adds the time since *since to a phase and starts the next one. */
static void lap(struct dom *d, enum dom_phase p, uint64_t *since)
{
	uint64_t now = clock_ns();

	d->phase_ns[p] += (uint32_t)(now - *since);
	*since = now;
}

/* --- prepare --- */

/* Built by libxenguest, now or later. */
static bool is_linux(const struct dom_spec *s, const struct image *img)
{
	return img ? img->info.builder == IMAGE_LINUX : s->for_linux;
}

/* For the device page: little of Xen's tables is enough, and there is no balloon driver. */
static bool is_noxs(const struct dom_spec *s, const struct image *img)
{
	return img ? img->info.noxs : !s->for_linux;
}

/* Everything Xen is told about a domain before it has memory. */
static int create(struct xen *x, const struct dom_spec *s, const struct image *img, struct dom *d,
		  struct err *e)
{
	struct xen_domain_config c = {
		.hvm = s->type == DOM_PVH,
		.domid = s->domid,
		.max_vcpus = s->vcpus,
	};
	int rc;

	build_limits(&s->limits, is_noxs(s, img), &c);
	memcpy(c.uuid, s->uuid, sizeof(c.uuid));
	rc = xen_domain_create(x, &c, &d->domid);
	if (rc == -ENOMEM)
		return err_set(e, ENOMEM, "not enough memory: Xen has none left for a domain");
	if (rc == -EINVAL && s->limits.asked & DOM_LIMITS)
		return build_limits_refused(&s->limits, e);
	if (rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENODEV)
		return err_set(e, EOPNOTSUPP, "this host cannot create %s domains",
			       s->type == DOM_PV ? "PV" : "PVH");
	if (rc < 0)
		return err_sys(e, -rc, "create the domain");
	return 0;
}

static int set_limits(struct xen *x, const struct dom_spec *s, const struct image *img,
		      struct dom *d, struct err *e)
{
	uint64_t max = s->maxmem_kib > d->max_pages * 4 ? s->maxmem_kib : d->max_pages * 4;
	uint64_t pool = s->type == DOM_PVH ? pvh_paging_pool(max, s->vcpus) : 0;
	int rc = xen_domain_max_vcpus(x, d->domid, s->vcpus);

	if (rc < 0)
		return err_sys(e, -rc, "give domain %u its %u vCPUs", d->domid, s->vcpus);
	rc = xen_domain_max_mem(x, d->domid,
				max + (is_noxs(s, img) ? SLACK_KIB : OTHERS_SLACK_KIB));
	if (rc < 0)
		return err_sys(e, -rc, "limit the memory of domain %u", d->domid);
	if (pool) {
		rc = xen_set_paging_pool(x, d->domid, pool);
		if (rc == -ENOMEM)
			return err_set(e, ENOMEM,
				       "not enough memory for the paging pool (%llu KiB)",
				       (unsigned long long)pool >> 10);
		if (rc < 0)
			return err_sys(e, -rc, "paging pool of domain %u", d->domid);
	}
	if (d->build->direct)
		return 0;
	/* Kernels that look at CPUID want what other toolstacks show. */
	rc = xen_tsc_default(x, d->domid);
	if (rc == 0)
		rc = xen_cpuid_default(x, d->domid);
	if (rc < 0)
		return err_sys(e, -rc, "CPU policy of domain %u", d->domid);
	return 0;
}

/* What noxs guests have from the start: a final layout, tables, shared info. */
static int prepare_direct(struct xen *x, struct dom *d, const struct image *img, uint32_t rings,
			  struct err *e)
{
	struct dom_build *b = d->build;
	uint64_t need;
	int rc = build_plan(img, d->type, d->pages, 0, 0, rings, &b->l, &need, e);

	if (rc == -ENOSPC)
		return err_set(e, EINVAL, "memory %llu KiB is too small: %llu KiB are needed",
			       (unsigned long long)d->pages * 4, (unsigned long long)need * 4);
	if (rc < 0)
		return rc;
	rc = d->type == DOM_PV ? pv_tables(x, d, e) : pvh_tables(x, d, e);
	if (rc < 0)
		return rc;
	d->dev_gfn = b->l.dev_gfn;
	d->control_gfn = b->l.control_gfn;
	d->shared_info_gfn = b->l.shared_gfn;
	d->page_table_gfn = b->l.tables.gfn;
	d->page_table_pages = b->l.tables.pages;
	d->image_end_gfn = b->l.image_end_gfn;
	d->dev_frame = build_frame(b, d->dev_gfn);
	d->control_frame = build_frame(b, d->control_gfn);
	return build_rings(x, d, e);
}

static int arm(struct xen *x, struct dom *d, const struct image *img, struct err *e)
{
	uint64_t since = clock_ns();
	int rc = d->type == DOM_PV ? pv_arm(x, d, img, e) : pvh_arm(x, d, img, e);

	lap(d, DOM_T_CONTEXT, &since);
	return rc;
}

static int new_build(struct dom *d, const struct dom_spec *s, const struct image *img,
		     struct err *e)
{
	uint64_t unit = is_linux(s, img) ? 1024 : 4; /* KiB */
	uint64_t max = is_noxs(s, img) || s->maxmem_kib < s->mem_kib ? s->mem_kib : s->maxmem_kib;

	d->type = s->type;
	d->vcpus = s->vcpus;
	d->pages = (s->mem_kib + unit - 1) / unit * unit / 4;
	d->max_pages = (max + unit - 1) / unit * unit / 4;
	d->build = calloc(1, sizeof(*d->build));
	if (!d->build)
		return err_set(e, ENOMEM, "out of memory");
	d->build->for_linux = is_linux(s, img);
	d->build->direct = img ? img->info.direct : !s->for_linux;
	d->build->l.pages = d->pages;
	d->build->virt_base = img && s->type == DOM_PV ? img->info.virt_base : 0;
	if (s->type == DOM_PV) {
		d->build->frame = malloc(d->pages * sizeof(*d->build->frame));
		if (!d->build->frame)
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

int dom_prepare(struct xen *x, const struct dom_spec *spec, const struct image *img, struct dom *d,
		struct err *e)
{
	uint64_t since = clock_ns();
	int rc;

	dom_init(d);
	memcpy(d->uuid, spec->uuid, sizeof(d->uuid));
	rc = build_check_spec(spec, img, e);
	if (rc < 0)
		return rc;
	rc = new_build(d, spec, img, e);
	if (rc == 0)
		rc = create(x, spec, img, d, e);
	lap(d, DOM_T_CREATE, &since);
	if (rc == 0)
		rc = set_limits(x, spec, img, d, e);
	if (rc == 0)
		rc = dom_schedule(x, d, spec, e);
	lap(d, DOM_T_VCPUS, &since);
	if (rc == 0)
		rc = build_populate(x, d, e);
	lap(d, DOM_T_MEMORY, &since);
	if (rc == 0 && d->build->direct)
		rc = prepare_direct(x, d, img, spec->ring_pages, e);
	lap(d, DOM_T_TABLES, &since);
	if (rc == 0 && d->build->direct)
		rc = arm(x, d, NULL, e);
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
	int rc;

	if (d->build->direct != img->info.direct ||
	    d->build->for_linux != (img->info.builder == IMAGE_LINUX))
		return err_set(e, EINVAL, "image \"%s\" cannot go into a shell of this kind",
			       img->info.name);
	rc = build_check_image(img, d->type, d->pages * 4, d->vcpus, e);
	if (rc < 0)
		return rc;
	if (img->info.builder == IMAGE_LINUX)
		rc = linux_load(x, d, img, l, e);
	else if (d->build->direct)
		rc = load_direct(x, d, img, l, e);
	else
		rc = load_standard(x, d, img, l, e);
	lap(d, DOM_T_LOAD, &since);
	return rc;
}

/* --- start and end --- */

int dom_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e)
{
	int rc = 0;

	if (!d->build->libxenguest && !d->build->direct)
		rc = arm(x, d, img, e);
	if (rc == 0)
		dom_release(d);
	return rc;
}

int dom_window(struct xen *x, struct dom *d, uint32_t pages, struct err *e)
{
	uint64_t first = d->build->for_linux ? BUILD_LINUX_GFN : 0;
	/* not what lies above: page tables of PV must not be mapped */
	uint64_t end = d->build->for_linux ? d->pages : d->ring_gfn;
	xen_pfn_t *frames;
	void *at = NULL;
	int rc;

	if (pages > DOM_WINDOW_MAX)
		pages = DOM_WINDOW_MAX;
	if (end <= first || pages == 0)
		return 0;
	if (pages > end - first)
		pages = (uint32_t)(end - first);
	frames = malloc(pages * sizeof(*frames));
	if (!frames)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < pages; i++)
		frames[i] = build_frame(d->build, first + i);
	rc = xen_map(x, d->domid, true, pages, frames, &at);
	free(frames);
	if (rc < 0)
		return err_sys(e, -rc, "map %u pages of domain %u", pages, d->domid);
	d->window = at;
	d->window_gfn = first;
	d->window_pages = pages;
	return 0;
}

void dom_window_close(struct xen *x, struct dom *d)
{
	if (d->window)
		xen_unmap(x, d->window, d->window_pages);
	d->window = NULL;
	d->window_pages = 0;
}

void dom_release(struct dom *d)
{
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
