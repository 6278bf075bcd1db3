/* SPDX-License-Identifier: BSD-3-Clause */
/* Flavors: the properties of shells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/pool/pool-t.h"

static bool same(const struct pool_flavor *a, const struct pool_flavor *b)
{
	if (a->from || b->from)
		return flavor_same_text(a->from, b->from);
	return a->type == b->type && a->vcpus == b->vcpus && a->mem_kib == b->mem_kib &&
	       a->for_linux == b->for_linux && a->fork == b->fork &&
	       flavor_same_text(a->image, b->image) && flavor_same_text(a->ramdisk, b->ramdisk) &&
	       a->no_gate == b->no_gate && flavor_same_devices(a, b);
}

static struct flavor **find_flavor(struct engine *en, const struct pool_flavor *f)
{
	struct flavor **at = &engine_pool(en)->flavors;

	while (*at && !same(&(*at)->f, f))
		at = &(*at)->next;
	return at;
}

/* The smallest memory that a flavor needs: with overcommit a template, and copies with little
 * more than their page tables. */
static uint64_t least_kib(const struct pool_flavor *f)
{
	if (!f->overcommit || !f->low)
		return f->mem_kib * f->low;
	return f->mem_kib + (f->mem_kib / 2048 + 16) * 4 * f->low;
}

static int check_flavor(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	uint64_t kib = least_kib(f);

	if (f->mem_kib == 0 || f->mem_kib > engine_settings(en)->limits.pool_kib)
		return err_set(e, EINVAL,
			       "pool: memory %llu KiB: 1 to %llu are possible (pool_memory)",
			       (unsigned long long)f->mem_kib,
			       (unsigned long long)engine_settings(en)->limits.pool_kib);
	if (f->vcpus < 1 || f->vcpus > DOM_MAX_VCPUS)
		return err_set(e, EINVAL, "pool: vcpus %u: 1 to %d are possible", f->vcpus,
			       DOM_MAX_VCPUS);
	if (f->low > f->high)
		return err_set(e, EINVAL, "pool: low %u is more than high %u", f->low, f->high);
	if (f->high > POOL_TARGET_MAX)
		return err_set(e, EINVAL, "pool: count %u: at most %u", f->high, POOL_TARGET_MAX);
	if (f->type == DOM_PVH && !engine_xen_host(en)->hvm)
		return err_set(e, EOPNOTSUPP, "pool: this host cannot create PVH domains");
	if (flavor_check_devices(en, f, e) < 0)
		return -e->code;
	for (struct flavor *o = engine_pool(en)->flavors; o; o = o->next)
		if (!same(&o->f, f))
			kib += least_kib(&o->f);
	if (kib > engine_settings(en)->limits.pool_kib)
		return err_set(e, ENOMEM,
			       "pool: all flavors together need %llu KiB, pool_memory allows %llu",
			       (unsigned long long)kib,
			       (unsigned long long)engine_settings(en)->limits.pool_kib);
	return 0;
}

static int open_error(struct files *f, const char *key, const char *path, struct err *e)
{
	const struct file *file = files_read(f, key);

	if (!file || file->rc == 0)
		return 0;
	err_copy(e, &file->err);
	return err_wrap(e, file->rc, "%s \"%s\"", key, path);
}

/* Checks an image; one that is not in memory is read if the loop does not run yet. */
static int try_image(struct engine *en, const struct flavor *f, struct files *files, bool may_read,
		     struct err *e)
{
	const struct file *file = files_read(files, "image");
	int fd = file ? file->fd : -1;
	struct image *img = NULL;
	int rc = open_error(files, "image", f->f.image, e);

	if (rc < 0)
		return rc;
	if (may_read)
		rc = images_load(engine_images(en), fd, f->f.image, &img, e);
	else
		img = images_find(engine_images(en), fd);
	if (rc == 0 && img)
		rc = flavor_check_image(img, e);
	if (rc == 0 && img && f->f.ramdisk && image_info(img)->direct)
		rc = err_set(e, EINVAL, "pool: image \"%s\" takes no ramdisk", f->f.image);
	image_put(img);
	return rc < 0 ? rc : open_error(files, "ramdisk", f->f.ramdisk, e);
}

static int new_flavor(struct engine *en, const struct pool_flavor *f, struct files *files,
		      bool may_read, struct copies *copies, struct flavor **out, struct err *e)
{
	struct flavor *own = calloc(1, sizeof(*own));
	int rc = 0;

	if (!own)
		return err_set(e, ENOMEM, "out of memory");
	own->f = *f;
	own->f.ready = 0;
	own->f.hits = own->f.misses = 0;
	own->f.image = f->image ? strdup(f->image) : NULL;
	own->f.ramdisk = f->ramdisk ? strdup(f->ramdisk) : NULL;
	own->f.from = f->from ? strdup(f->from) : NULL;
	if ((f->image && !own->f.image) || (f->ramdisk && !own->f.ramdisk) ||
	    (f->from && !own->f.from))
		rc = err_set(e, ENOMEM, "out of memory");
	else if (f->image)
		rc = try_image(en, own, files, may_read, e);
	if (rc == 0)
		rc = booted_plan_read(&own->f, &own->plan, e);
	if (rc < 0) {
		free(own->f.from);
		free(own->f.ramdisk);
		free(own->f.image);
		free(own);
		return rc;
	}
	own->copies = copies;
	*out = own;
	return 0;
}

/* Adds a new flavor with its open files, or its snapshot, whose reference is taken. */
static int set_flavor(struct engine *en, const struct pool_flavor *f, struct files *files,
		      bool may_read, struct copies *copies, struct err *e)
{
	struct flavor **at = find_flavor(en, f);
	struct flavor *own = *at;
	int rc = engine_pool(en)->closed ? err_set(e, ECANCELED, "chaosd ends")
					 : check_flavor(en, f, e);

	if (rc < 0)
		return rc;
	if (f->high == 0) {
		if (!own)
			return err_set(e, ENOENT, "pool: there is no such flavor");
		*at = own->next;
		flavor_ends(en, own);
		return 0;
	}
	if (!own) {
		rc = new_flavor(en, f, files, may_read, copies, at, e);
		if (rc < 0)
			return rc;
		own = *at;
	} else {
		copies_put(copies);
	}
	own->f.low = f->low;
	own->f.high = f->high;
	own->f.target = f->low;
	own->retry_at = 0;
	own->broken = 0;
	flavor_drop_shells(en, own, own->f.target);
	idle_now(engine_idle(en));
	return 0;
}

/* A flavor with a snapshot can have only these words. */
static struct pool_flavor whole(struct engine *en, const struct pool_flavor *f)
{
	const struct flavor *own = f->from ? *find_flavor(en, f) : NULL;
	struct pool_flavor all = own ? own->f : *f;

	all.low = f->low;
	all.high = f->high;
	return all;
}

/* The other words; if they are not given, they keep their values. */
static bool same_words(const struct pool_flavor *is, const struct pool_flavor *wanted)
{
	return (!*wanted->ready_when || strcmp(is->ready_when, wanted->ready_when) == 0) &&
	       (!*wanted->macs || strcmp(is->macs, wanted->macs) == 0) &&
	       (!*wanted->ips || strcmp(is->ips, wanted->ips) == 0) &&
	       (!wanted->disks || is->disks == wanted->disks) &&
	       (!wanted->overcommit || is->overcommit);
}

static int set_known(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	const struct pool_flavor all = whole(en, f);

	if (f->from && !all.mem_kib)
		return err_set(e, ENOENT, "pool: there is no such flavor");
	if (f->from && f->high && !same_words(&all, f))
		return err_set(e, EEXIST,
			       "pool: from=%s exists with another ready, mac, ip, disk or "
			       "overcommit: remove it with count=0 first",
			       f->from);
	return set_flavor(en, &all, NULL, false, NULL, e);
}

/* `c`, which goes, with a flavor that is not known yet. */
static int set_copies(struct engine *en, const struct pool_flavor *f, struct copies *c,
		      struct err *e)
{
	struct pool_flavor all = *f;
	int rc;

	copies_describe(c, &all);
	rc = copies_suit(c, f, e);
	copies_overcommit(c, f->overcommit);
	if (rc == 0)
		rc = set_flavor(en, &all, NULL, false, c, e);
	if (rc < 0)
		copies_put(c);
	return rc;
}

static int set_from_now(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	struct copies *c;
	int rc = copies_read_now(en, f->from, &c, e);

	return rc < 0 ? rc : set_copies(en, f, c, e);
}

int pool_set(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	struct files *files;
	int rc;

	if (f->from)
		return f->high && !*find_flavor(en, f) ? set_from_now(en, f, e)
						       : set_known(en, f, e);
	rc = flavor_files(en, f, &files, e);
	if (rc < 0)
		return rc;
	files_open_now(files);
	rc = set_flavor(en, f, files, true, NULL, e);
	files_drop(&files);
	return rc;
}

/* A flavor whose files are being opened, or whose image is being read. */
struct flavor_wait {
	struct engine *en;
	struct pool_flavor f;
	char *image, *ramdisk, *from;
	struct files *files;
	pool_set_fn *fn;
	void *arg;
};

static void free_wait(struct flavor_wait *w)
{
	files_drop(&w->files);
	free(w->image);
	free(w->ramdisk);
	free(w->from);
	free(w);
}

static void wait_ends(struct flavor_wait *w, int rc, const struct err *e)
{
	w->fn(w->arg, rc, e);
	free_wait(w);
}

static void flavor_image(void *arg, struct image *img, int rc, const struct err *e)
{
	struct flavor_wait *w = arg;
	struct err err = *e;

	if (rc == 0)
		rc = set_flavor(w->en, &w->f, w->files, false, NULL, &err);
	image_put(img);
	wait_ends(w, rc, &err);
}

/* 1: its image is being read, and flavor_image() goes on. */
static int set_or_read(struct flavor_wait *w, struct err *e)
{
	const struct file *file = files_read(w->files, "image");
	bool open = file && file->rc == 0;
	struct image *img = open ? images_find(engine_images(w->en), file->fd) : NULL;
	int rc;

	if (open && !img) {
		rc = images_read(engine_images(w->en), file->fd, w->f.image, flavor_image, w, e);
		return rc < 0 ? rc : 1;
	}
	rc = set_flavor(w->en, &w->f, w->files, false, NULL, e);
	image_put(img);
	return rc;
}

static void files_are_open(void *arg, struct files *f)
{
	struct flavor_wait *w = arg;
	struct err err = {0};
	int rc = set_or_read(w, &err);

	(void)f;
	if (rc != 1)
		wait_ends(w, rc, &err);
}

static struct flavor_wait *new_wait(struct engine *en, const struct pool_flavor *f, pool_set_fn *fn,
				    void *arg, struct err *e)
{
	struct flavor_wait *w = calloc(1, sizeof(*w));

	if (w) {
		*w = (struct flavor_wait){.en = en, .f = *f, .fn = fn, .arg = arg};
		w->f.image = w->image = f->image ? strdup(f->image) : NULL;
		w->f.ramdisk = w->ramdisk = f->ramdisk ? strdup(f->ramdisk) : NULL;
		w->f.from = w->from = f->from ? strdup(f->from) : NULL;
	}
	if (!w || (f->image && !w->image) || (f->ramdisk && !w->ramdisk) || (f->from && !w->from))
		(void)err_set(e, ENOMEM, "out of memory");
	else if (flavor_files(en, f, &w->files, e) == 0)
		return w;
	if (w)
		free_wait(w);
	return NULL;
}

static void copies_are_known(void *arg, struct copies *c, int rc, const struct err *e)
{
	struct flavor_wait *w = arg;
	struct err err = *e;

	wait_ends(w, rc < 0 ? rc : set_copies(w->en, &w->f, c, &err), &err);
}

int pool_set_later(struct engine *en, const struct pool_flavor *f, pool_set_fn *fn, void *arg,
		   struct err *e)
{
	struct flavor_wait *w;
	int rc;

	if ((!f->image && !f->from) || f->high == 0 || *find_flavor(en, f))
		return set_known(en, f, e);
	w = new_wait(en, f, fn, arg, e);
	if (!w)
		return -ENOMEM;
	if (f->from) {
		rc = copies_read(en, w->from, copies_are_known, w, e);
		if (rc < 0)
			free_wait(w);
		return rc < 0 ? rc : 1;
	}
	if (!files_open(w->files, files_are_open, w))
		return 1;
	rc = set_or_read(w, e);
	if (rc != 1)
		free_wait(w);
	return rc;
}

void pool_for_each(struct engine *en, void (*fn)(const struct pool_flavor *f, void *arg), void *arg)
{
	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		fn(&f->f, arg);
}

uint64_t pool_held(const struct engine *en)
{
	uint64_t kib = 0;

	for (const struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		kib += (f->copies ? copies_kib(f->copies) : f->f.mem_kib) * f->f.ready +
		       (f->copies ? copies_template_kib(f->copies) : 0);
	return kib + pool_connecting_kib(en);
}

bool flavor_has_room(const struct engine *en, const struct flavor *f)
{
	uint64_t lacks = f->f.target > f->f.ready ? f->f.target - f->f.ready : 0;

	return f->f.overcommit ||
	       pool_held(en) + (lacks + 1) * f->f.mem_kib <= engine_settings(en)->limits.pool_kib;
}

bool pool_has_domain(const struct engine *en, const struct xen_domain_info *info)
{
	for (const struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		for (const struct shell *s = f->shells; s; s = s->next)
			if (s->dom.domid == info->domid)
				return true;
	for (const struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		if (f->copies && copies_rest(f->copies, info->domid))
			return true;
	return pool_makes(en, info->uuid) || pool_connects(en, info->domid);
}
