/* SPDX-License-Identifier: BSD-3-Clause */
/* Flavors: what shells are made for. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool same(const struct pool_flavor *a, const struct pool_flavor *b)
{
	return a->type == b->type && a->vcpus == b->vcpus && a->mem_kib == b->mem_kib &&
	       a->for_linux == b->for_linux && flavor_same_text(a->image, b->image) &&
	       flavor_same_text(a->ramdisk, b->ramdisk) && flavor_same_devices(a, b);
}

static struct flavor **find_flavor(struct engine *en, const struct pool_flavor *f)
{
	struct flavor **at = &en->pool.flavors;

	while (*at && !same(&(*at)->f, f))
		at = &(*at)->next;
	return at;
}

static int check_flavor(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	uint64_t kib = f->mem_kib * f->low;

	if (f->mem_kib == 0 || f->mem_kib > en->conf.pool_kib)
		return err_set(
			e, EINVAL, "pool: memory %llu KiB: 1 to %llu are possible (pool_memory)",
			(unsigned long long)f->mem_kib, (unsigned long long)en->conf.pool_kib);
	if (f->vcpus < 1 || f->vcpus > DOM_MAX_VCPUS)
		return err_set(e, EINVAL, "pool: vcpus %u: 1 to %d are possible", f->vcpus,
			       DOM_MAX_VCPUS);
	if (f->low > f->high)
		return err_set(e, EINVAL, "pool: low %u is more than high %u", f->low, f->high);
	if (f->high > POOL_TARGET_MAX)
		return err_set(e, EINVAL, "pool: count %u: at most %u", f->high, POOL_TARGET_MAX);
	if (f->type == DOM_PVH && !en->host.hvm)
		return err_set(e, EOPNOTSUPP, "pool: this host cannot create PVH domains");
	if (flavor_check_devices(en, f, e) < 0)
		return -e->code;
	for (struct flavor *o = en->pool.flavors; o; o = o->next)
		if (!same(&o->f, f))
			kib += o->f.mem_kib * o->f.low;
	if (kib > en->conf.pool_kib)
		return err_set(e, ENOMEM,
			       "pool: all flavors together need %llu KiB, pool_memory allows %llu",
			       (unsigned long long)kib, (unsigned long long)en->conf.pool_kib);
	return 0;
}

static int open_error(struct files *f, const char *key, const char *path, struct err *e)
{
	const struct file *file = files_read(f, key);

	if (!file || file->rc == 0)
		return 0;
	*e = file->err;
	return err_wrap(e, file->rc, "%s \"%s\"", key, path);
}

/* Says what is wrong with an image; one that is not known is read if the loop does not run yet. */
static int try_image(struct engine *en, const struct flavor *f, struct files *files, bool may_read,
		     struct err *e)
{
	struct image *img = NULL;
	int rc = open_error(files, "image", f->f.image, e);

	if (rc < 0)
		return rc;
	if (may_read)
		rc = images_load(en, files_read(files, "image")->fd, f->f.image, &img, e);
	else
		img = images_find(en, files_read(files, "image")->fd);
	if (rc == 0 && img)
		rc = flavor_check_image(img, e);
	if (rc == 0 && img && f->f.ramdisk && image_info(img)->direct)
		rc = err_set(e, EINVAL, "pool: image \"%s\" takes no ramdisk", f->f.image);
	image_put(img);
	return rc < 0 ? rc : open_error(files, "ramdisk", f->f.ramdisk, e);
}

static int new_flavor(struct engine *en, const struct pool_flavor *f, struct files *files,
		      bool may_read, struct flavor **out, struct err *e)
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
	if ((f->image && !own->f.image) || (f->ramdisk && !own->f.ramdisk))
		rc = err_set(e, ENOMEM, "out of memory");
	else if (f->image)
		rc = try_image(en, own, files, may_read, e);
	if (rc < 0) {
		free(own->f.ramdisk);
		free(own->f.image);
		free(own);
		return rc;
	}
	*out = own;
	return 0;
}

/* `files`: its own, open. */
static int set_flavor(struct engine *en, const struct pool_flavor *f, struct files *files,
		      bool may_read, struct err *e)
{
	struct flavor **at = find_flavor(en, f);
	struct flavor *own = *at;
	int rc = check_flavor(en, f, e);

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
		rc = new_flavor(en, f, files, may_read, at, e);
		if (rc < 0)
			return rc;
		own = *at;
	}
	own->f.low = f->low;
	own->f.high = f->high;
	own->f.target = f->low;
	own->retry_at = 0;
	flavor_drop_shells(en, own, own->f.target);
	pool_idle_now(en);
	return 0;
}

int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e)
{
	int rc = 0;

	*out = files_new(en);
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	if (f->image)
		rc = images_add(*out, en, f->image, "image", e);
	if (rc == 0 && f->image && f->ramdisk)
		rc = images_add(*out, en, f->ramdisk, "ramdisk", e);
	if (rc < 0)
		files_drop(out);
	return rc;
}

int pool_set(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	struct files *files;
	int rc = flavor_files(en, f, &files, e);

	if (rc < 0)
		return rc;
	files_open_now(files);
	rc = set_flavor(en, f, files, true, e);
	files_drop(&files);
	return rc;
}

/* A flavor whose files are being opened, or whose image is being read. */
struct flavor_wait {
	struct engine *en;
	struct pool_flavor f;
	char *image, *ramdisk;
	struct files *files;
	pool_set_fn *fn;
	void *arg;
};

static void free_wait(struct flavor_wait *w)
{
	files_drop(&w->files);
	free(w->image);
	free(w->ramdisk);
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
		rc = set_flavor(w->en, &w->f, w->files, false, &err);
	image_put(img);
	wait_ends(w, rc, &err);
}

/* 1: its image is being read, and flavor_image() goes on. */
static int set_or_read(struct flavor_wait *w, struct err *e)
{
	const struct file *file = files_read(w->files, "image");
	struct image *img = file->rc == 0 ? images_find(w->en, file->fd) : NULL;
	int rc;

	if (file->rc == 0 && !img) {
		rc = images_read(w->en, file->fd, w->f.image, flavor_image, w, e);
		return rc < 0 ? rc : 1;
	}
	rc = set_flavor(w->en, &w->f, w->files, false, e);
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
		w->f.image = w->image = strdup(f->image);
		w->f.ramdisk = w->ramdisk = f->ramdisk ? strdup(f->ramdisk) : NULL;
	}
	if (!w || !w->image || (f->ramdisk && !w->ramdisk))
		(void)err_set(e, ENOMEM, "out of memory");
	else if (flavor_files(en, f, &w->files, e) == 0)
		return w;
	if (w)
		free_wait(w);
	return NULL;
}

int pool_set_later(struct engine *en, const struct pool_flavor *f, pool_set_fn *fn, void *arg,
		   struct err *e)
{
	struct flavor_wait *w;
	int rc;

	if (!f->image || f->high == 0 || *find_flavor(en, f))
		return set_flavor(en, f, NULL, false, e);
	w = new_wait(en, f, fn, arg, e);
	if (!w)
		return -ENOMEM;
	if (!files_open(w->files, files_are_open, w))
		return 1;
	rc = set_or_read(w, e);
	if (rc != 1)
		free_wait(w);
	return rc;
}

void pool_for_each(struct engine *en, void (*fn)(const struct pool_flavor *f, void *arg), void *arg)
{
	for (struct flavor *f = en->pool.flavors; f; f = f->next)
		fn(&f->f, arg);
}

uint64_t pool_held(const struct engine *en)
{
	uint64_t kib = 0;

	for (const struct flavor *f = en->pool.flavors; f; f = f->next)
		kib += f->f.mem_kib * f->f.ready;
	return kib + pool_connecting_kib(en);
}

bool pool_has_domain(const struct engine *en, const struct xen_domain_info *info)
{
	for (const struct flavor *f = en->pool.flavors; f; f = f->next)
		for (const struct shell *s = f->shells; s; s = s->next)
			if (s->dom.domid == info->domid)
				return true;
	return pool_makes(en, info->uuid) || pool_connects(en, info->domid);
}

/* --- claiming --- */

/* Of the request's image, as far as the flavor's words tell; or a shell that could take it. */
static bool could_serve(const struct flavor *f, const struct vm *vm)
{
	if (f->f.image)
		return flavor_same_text(f->f.image, vm->cfg.kernel);
	return f->f.for_linux == (image_info(vm->img)->builder == IMAGE_LINUX);
}

/* Warm first, then any shell of the size; NULL with a reason. */
static struct flavor *best(struct engine *en, const struct vm *vm, const char **why)
{
	static const char no_flavor[] = "no flavor of this type, size and number of vCPUs";
	static const char other_devices[] = "no flavor with these devices";
	const struct vm_config *c = &vm->cfg;
	struct flavor *shell = NULL;
	struct file_key ramdisk;

	(void)file_key(c->ramdisk_fd, &ramdisk);
	*why = en->pool.flavors ? no_flavor : "no flavors";
	if (c->maxmem_kib && c->maxmem_kib != c->mem_kib) {
		*why = "maxmem differs from memory";
		return NULL;
	}
	if (vm_config_vcpus(c) != c->vcpus) {
		*why = "maxvcpus differs from vcpus";
		return NULL;
	}
	if (c->limits.asked) { /* a shell has those of its kind of image, for good */
		*why = "limits of its own (max_*)";
		return NULL;
	}
	for (struct flavor *f = en->pool.flavors; f; f = f->next) {
		if (f->f.type != c->type || f->f.vcpus != c->vcpus || f->f.mem_kib != c->mem_kib)
			continue;
		if (!flavor_fits_devices(&f->f, vm)) {
			if (*why == no_flavor)
				*why = other_devices;
			continue;
		}
		if (!f->shells) {
			if (could_serve(f, vm)) {
				f->f.misses++;
				flavor_wanted(en, f);
				*why = "the pool ran dry";
			}
			continue;
		}
		if (f->shells->img == vm->img &&
		    memcmp(&f->shells->ramdisk, &ramdisk, sizeof(ramdisk)) == 0)
			return f;
		if (!f->shells->img) {
			if (could_serve(f, vm))
				shell = f;
			continue;
		}
		*why = c->ramdisk_fd < 0 ? "another image is warm"
					 : "another image or ramdisk is warm";
		if (flavor_same_text(f->f.image, c->kernel) &&
		    flavor_same_text(f->f.ramdisk, c->ramdisk)) { /* a file has changed since */
			*why = "the image has changed";
			flavor_drop_shells(en, f, 0);
			pool_idle_later(en);
		}
	}
	if (shell && (*why == no_flavor || *why == other_devices))
		*why = "no flavor has this image";
	return shell;
}

/* The VM takes the shell's uuid unless its creator chose one. */
static int take_identity(struct vm *vm, const struct shell *s)
{
	struct engine *en = vm->en;
	/* One with pages mapped keeps its id; another one may have gone, and its id be others'. */
	bool mapped = s->map || s->dom.window;
	int rc = mapped ? 0 : xen_domain_is(en->x, s->dom.domid, s->uuid);

	if (rc < 0)
		return rc;
	if (vm->cfg.have_uuid || vm->restarts) {
		vm->slot.domid = s->dom.domid;
		rc = registry_put(vm, NULL); /* the intent, under the uuid to come */
		vm->slot.domid = 0;
		if (rc == 0)
			rc = xen_domain_set_uuid(en->x, s->dom.domid, vm->uuid);
		if (rc == 0)
			registry_delete(en, s->uuid);
		return rc;
	}
	HASH_DELETE(by_uuid, en->uuids, vm);
	memcpy(vm->uuid, s->uuid, sizeof(vm->uuid));
	memcpy(vm->cfg.uuid, s->uuid, sizeof(vm->uuid));
	HASH_ADD(by_uuid, en->uuids, uuid[0], sizeof(vm->uuid), vm);
	return 0;
}

static void say_low(struct engine *en, const struct pool_flavor *f)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = en->observers; ob; ob = next) {
		next = ob->next;
		ob->fn(ob, VM_EV_POOL_LOW, NULL, f);
	}
}

/* Why no shell can be right, or NULL. */
static const char *unfit(const struct vm *vm)
{
	const struct image_info *i = vm->img ? image_info(vm->img) : NULL;

	if (!i)
		return "the image is large and new";
	if (i->builder == IMAGE_LINUX)
		return NULL;
	if (!i->direct)
		return "the image has no noxs entry";
	return vm->cfg.ramdisk_fd >= 0 ? "a noxs entry takes no ramdisk" : NULL;
}

bool pool_claim(struct vm *vm)
{
	struct engine *en = vm->en;
	struct flavor *f;
	struct shell *s;

	vm->t.way = VM_COLD;
	vm->t.why = unfit(vm);
	if (vm->t.why)
		return false;
	f = best(en, vm, &vm->t.why);
	if (!f)
		return false;
	s = f->shells;
	f->shells = s->next;
	f->f.ready--;
	pool_idle_later(en);
	if (take_identity(vm, s) < 0) {
		vm->t.why = "its shell could not be used";
		shell_end(en, s);
		return false;
	}
	f->f.hits++;
	flavor_wanted(en, f);
	if (f->f.ready == 0)
		say_low(en, &f->f);
	vm->t.way = s->img ? VM_WARM : VM_SHELL;
	if (s->img)
		vm->t.why = "";
	vm->dom = s->dom;
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->dom.uuid));
	vm->slot = s->slot;
	vm->guest_port = s->guest_port;
	vm->view.guest_port = s->store_port;
	vm->map = s->map;
	devices_hand_over(&s->devices, &vm->devices);
	if (vm->map) /* else the worker needs it first */
		vm_list_window(vm);
	image_put(s->img);
	free(s);
	return true;
}
