/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory: giving it, and copying images, modules and tables into it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdom/build.h"

#include <xen/hvm/e820.h>

#define LARGE_ORDER 9u
#define LARGE_PAGES (1ull << LARGE_ORDER)
#define HUGE_ORDER  18u
#define HUGE_PAGES  (1ull << HUGE_ORDER)
static int no_memory(struct xen *x, const struct dom *d, int rc, struct err *e)
{
	uint64_t free_pages = 0;

	if (rc != -ENOMEM)
		return err_sys(e, -rc, "populate domain %u", d->domid);
	(void)xen_free_pages(x, &free_pages);
	return err_set(e, ENOMEM,
		       "not enough memory: %llu KiB wanted, %llu KiB more were free on this host",
		       (unsigned long long)d->pages * 4,
		       (unsigned long long)(free_pages + d->build->populated) * 4);
}

static bool on_demand(const struct dom *d)
{
	return d->type == DOM_PVH && d->max_pages > d->pages;
}

/* --- which machine frames PV guests got --- */

static void note_run(struct dom_frames *f, uint64_t mfn, int32_t pages)
{
	struct dom_run *last = f->n ? &f->run[f->n - 1] : NULL;

	if (f->n > DOM_RUNS_MAX)
		return;
	if (last && pages > 0 && last->pages > 0 && last->mfn + (uint64_t)last->pages == mfn)
		last->pages += pages;
	else if (f->n == DOM_RUNS_MAX || mfn > UINT32_MAX)
		f->n = DOM_RUNS_MAX + 1;
	else
		f->run[f->n++] = (struct dom_run){(uint32_t)mfn, pages};
}

static void note_frames(struct dom_frames *f, const xen_pfn_t *frame, uint32_t n)
{
	for (uint32_t i = 0; i < n && f->n <= DOM_RUNS_MAX;) {
		bool down = i + 1 < n && frame[i + 1] == frame[i] - 1;
		uint32_t end = i + 1;

		while (end < n && frame[end] == (down ? frame[end - 1] - 1 : frame[end - 1] + 1))
			end++;
		note_run(f, frame[i], down ? -(int32_t)(end - i) : (int32_t)(end - i));
		i = end;
	}
}

/* --- extents --- */

static int populate_small(struct xen *x, struct dom *d, uint64_t gfn, uint32_t n)
{
	xen_pfn_t gfns[LARGE_PAGES];
	xen_pfn_t *out = d->build->frame ? d->build->frame + gfn : gfns;
	int rc;

	for (uint32_t i = 0; i < n; i++)
		out[i] = gfn + i;
	rc = on_demand(d) ? xen_populate_later(x, d->domid, n, 0, out)
			  : xen_populate(x, d->domid, n, 0, out);
	if (rc == 0 && d->build->frame && d->build->direct)
		note_frames(&d->frames, out, n);
	return rc;
}

static int populate_large(struct xen *x, struct dom *d, uint64_t gfn, uint32_t order)
{
	xen_pfn_t base = gfn;
	int rc = on_demand(d) ? xen_populate_later(x, d->domid, 1, order, &base)
			      : xen_populate(x, d->domid, 1, order, &base);

	if (rc < 0)
		return rc;
	for (uint64_t i = 0; d->build->frame && i < 1ull << order; i++)
		d->build->frame[gfn + i] = base + i;
	if (d->build->frame && d->build->direct)
		note_run(&d->frames, base, 1 << order);
	return 0;
}

/* Populates the largest extent at `gfn`, at most `left` pages: *n is the number of pages. */
static int populate_some(struct xen *x, struct dom *d, uint64_t gfn, uint64_t left, uint64_t *n)
{
	int rc = -ENOMEM;

	/* A PV guest has its own page tables, so it gains nothing from an extent of 1 GiB. */
	*n = HUGE_PAGES;
	if (d->type == DOM_PVH && left >= HUGE_PAGES && gfn % HUGE_PAGES == 0)
		rc = populate_large(x, d, gfn, HUGE_ORDER);
	if (rc != -ENOMEM)
		return rc;
	*n = LARGE_PAGES - gfn % LARGE_PAGES;
	if (*n > left)
		*n = left;
	if (*n == LARGE_PAGES)
		rc = populate_large(x, d, gfn, LARGE_ORDER);
	if (rc == -ENOMEM) /* there is no contiguous memory left: single pages are enough */
		rc = populate_small(x, d, gfn, (uint32_t)*n);
	return rc;
}

int build_populate(struct xen *x, struct dom *d, struct err *e)
{
	uint64_t hole = d->type == DOM_PVH && d->build->for_linux ? BUILD_MMIO_START / PAGE_BYTES
								  : UINT64_MAX;
	uint64_t all = on_demand(d) ? d->max_pages : d->pages;
	uint64_t done = 0;
	int rc = on_demand(d) ? xen_set_aside(x, d->domid, d->pages) : 0;

	if (rc < 0)
		return no_memory(x, d, rc, e);
	while (done < all) {
		bool high = done >= hole;
		uint64_t gfn = high ? done - hole + BUILD_GIB4 / PAGE_BYTES : done;
		uint64_t end = !high && hole < all ? hole : all;
		uint64_t n;

		rc = populate_some(x, d, gfn, end - done, &n);

		if (rc < 0)
			return no_memory(x, d, rc, e);
		done += n;
		d->build->populated = on_demand(d) ? d->pages : done;
	}
	return 0;
}

int build_populate_run(struct xen *x, struct dom *d, uint64_t gfn, uint64_t pages, struct err *e)
{
	for (uint64_t n; pages; gfn += n, pages -= n) {
		int rc = populate_some(x, d, gfn, pages, &n);

		if (rc < 0)
			return no_memory(x, d, rc, e);
		d->build->populated += n;
	}
	return 0;
}

int build_memory_map_pv(struct xen *x, const struct dom *d, struct err *e)
{
	const struct e820entry ram = {0, d->max_pages * PAGE_BYTES, E820_RAM};
	int rc = xen_set_memory_map(x, d->domid, &ram, 1);

	return rc < 0 ? err_sys(e, -rc, "set the memory map of domain %u", d->domid) : 0;
}

int build_map(struct xen *x, const struct dom *d, uint64_t gfn, uint32_t n, void **out,
	      struct err *e)
{
	xen_pfn_t frames[BUILD_MAP_MAX];
	int rc;

	for (uint32_t i = 0; i < n; i++)
		frames[i] = build_frame(d->build, gfn + i);
	rc = xen_map(x, d->domid, true, n, frames, out);
	if (rc < 0)
		return err_sys(e, -rc, "map guest frame 0x%llx of domain %u",
			       (unsigned long long)gfn, d->domid);
	return 0;
}

static int read_all(int fd, uint8_t *to, uint64_t len, uint64_t at, struct err *e)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read it");
		if (n == 0)
			return err_set(e, EIO, "the file got shorter while it was read");
		to += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* `from` or, when it is NULL, `fd`. */
static int copy_in(struct xen *x, const struct dom *d, uint64_t gfn, const uint8_t *from, int fd,
		   uint64_t len, struct err *e)
{
	for (uint64_t done = 0; done < len;) {
		uint64_t left = len - done;
		uint64_t now =
			left < BUILD_MAP_MAX * PAGE_BYTES ? left : BUILD_MAP_MAX * PAGE_BYTES;
		uint32_t n = (uint32_t)((now + PAGE_BYTES - 1) / PAGE_BYTES);
		void *at = NULL;
		int rc = build_map(x, d, gfn + done / PAGE_BYTES, n, &at, e);

		if (rc < 0)
			return rc;
		if (from)
			memcpy(at, from + done, now);
		else
			rc = read_all(fd, at, now, done, e);
		memset((uint8_t *)at + now, 0, n * PAGE_BYTES - now); /* pages may come dirty */
		xen_unmap(x, at, n);
		if (rc < 0)
			return rc;
		done += now;
	}
	return 0;
}

int build_write(struct xen *x, const struct dom *d, uint64_t gfn, const void *from, uint64_t len,
		struct err *e)
{
	return copy_in(x, d, gfn, from, -1, len, e);
}

/* The same out of a file, from its start. */
static int write_file(struct xen *x, const struct dom *d, uint64_t gfn, int fd, uint64_t len,
		      struct err *e)
{
	return copy_in(x, d, gfn, NULL, fd, len, e);
}

/* --- modules --- */

int build_module_bytes(const struct dom_load *load, uint64_t *out, struct err *e)
{
	*out = 0;
	if (load->nmodule > BUILD_MODULES_MAX)
		return err_set(e, EINVAL, "%u modules; at most %u", load->nmodule,
			       BUILD_MODULES_MAX);
	for (uint32_t i = 0; i < load->nmodule; i++) {
		struct stat st;

		if (fstat(load->module[i].fd, &st) < 0)
			return err_sys(e, errno, "module \"%s\"", load->module[i].name);
		if (!S_ISREG(st.st_mode))
			return err_set(e, EINVAL, "module \"%s\" is not a regular file",
				       load->module[i].name);
		*out += ((uint64_t)st.st_size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	}
	return 0;
}

int build_load_modules(struct xen *x, const struct dom *d, const struct dom_load *load,
		       uint64_t gfn, struct build_module *at, struct err *e)
{
	uint64_t end = gfn;

	for (uint32_t i = 0; i < load->nmodule; i++) {
		const struct dom_module *m = &load->module[i];
		struct stat st;
		int rc;

		if (fstat(m->fd, &st) < 0)
			return err_sys(e, errno, "module \"%s\"", m->name);
		at[i] = (struct build_module){end * PAGE_BYTES, (uint64_t)st.st_size};
		end += ((uint64_t)st.st_size + PAGE_BYTES - 1) / PAGE_BYTES;
		/* A file that has grown since it was measured must not overwrite the pages after
		 * it. */
		if (end > d->build->l.modules.gfn + d->build->l.modules.pages)
			return err_set(e, EIO, "module \"%s\" got longer while it was read",
				       m->name);
		rc = write_file(x, d, at[i].paddr / PAGE_BYTES, m->fd, at[i].bytes, e);
		if (rc < 0)
			return err_wrap(e, rc, "module \"%s\"", m->name);
	}
	return 0;
}
