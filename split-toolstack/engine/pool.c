/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made before anybody asks, refilled when nobody does. */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Of a shell so much stays mapped, so that a claim only copies; larger images are mapped. */
#define WINDOW_PAGES 16u
/* Shells are made on the loop, so each must be quick to make. */
#define SHELL_MEM_MAX_KIB (16u << 10)
/* Refilling waits until nobody has asked for so long: it must not run into the next request, nor
 * keep the CPU from the guest that was just started. Between two shells there is a gap. */
#define REFILL_QUIET_S 0.005
#define REFILL_GAP_S   0.0005
/* After a failure (no memory, no image) a flavor waits. */
#define RETRY_S	    2.0
#define BACKOFF_MAX 31u /* ... times this at the most, when it goes on failing */

const char *vm_way_name(enum vm_way w)
{
	static const char *const name[] = {"cold", "shell", "warm"};

	return name[w];
}

/* --- making and ending shells --- */

/* What is recorded of a shell: an intent, which the next start removes with its domain. */
static int record_intent(struct engine *en, const struct shell *s, struct err *e)
{
	struct vm *vm = vm_new(en);
	int rc;

	if (!vm)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(vm->uuid, s->uuid, sizeof(vm->uuid));
	vm->state = VM_BUILDING;
	rc = registry_put(vm, e);
	vm_free(vm);
	return rc;
}

static void end_shell(struct engine *en, struct shell *s)
{
	if (s->map)
		xen_unmap(en->x, s->map, 2);
	if (dom_destroy(en->x, &s->dom, NULL) == 0) {
		registry_delete(en, s->uuid);
		slot_put(en, &s->slot);
	}
	image_put(s->img);
	free(s);
}

static int build_shell(struct engine *en, const struct flavor *f, struct shell *s, struct err *e)
{
	struct dom_spec spec = {
		.type = f->f.type, .mem_kib = f->f.mem_kib, .vcpus = f->f.vcpus, .cap = UINT32_MAX};
	struct dom_load load = {.cmdline = ""};
	int rc;

	rc = uuid_random(s->uuid, e);
	if (rc < 0)
		return rc;
	memcpy(spec.uuid, s->uuid, sizeof(spec.uuid));
	rc = slot_take(en, true, &s->slot, e);
	spec.domid = s->slot.domid;
	if (rc == 0)
		rc = record_intent(en, s, e);
	if (rc == 0)
		rc = dom_prepare(en->x, &spec, s->img, &s->dom, e);
	if (rc == 0 && s->img)
		rc = dom_load(en->x, &s->dom, s->img, &load, e);
	if (rc == 0)
		rc = domain_map(en, s->dom.domid, s->dom.dev_frame, s->dom.control_frame, &s->map,
				e);
	if (rc == 0 && !s->img)
		rc = dom_window(en->x, &s->dom, WINDOW_PAGES, e);
	if (rc == 0 && s->img)
		rc = dom_arm(en->x, &s->dom, s->img, e);
	return rc;
}

/* The image of a warm flavor, as its file is now. */
static int current_image(struct engine *en, const struct flavor *f, struct image **out,
			 struct err *e)
{
	int fd = open(f->f.image, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = 0;

	if (fd < 0)
		return err_sys(e, errno, "image \"%s\"", f->f.image);
	*out = images_find(en, fd);
	if (!*out) {
		rc = image_open(fd, f->f.image, en->conf.cache_dir, out, e);
		if (rc == 0)
			images_keep(en, *out);
	}
	(void)close(fd);
	if (rc == 0 && !image_info(*out)->direct) {
		image_put(*out);
		*out = NULL;
		rc = err_set(e, EOPNOTSUPP,
			     "image \"%s\": only images with a noxs entry can be pooled",
			     f->f.image);
	}
	return rc;
}

static int add_shell(struct engine *en, struct flavor *f, struct err *e)
{
	struct shell *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	dom_init(&s->dom);
	if (f->f.image)
		rc = current_image(en, f, &s->img, e);
	if (rc == 0)
		rc = build_shell(en, f, s, e);
	if (rc < 0) {
		end_shell(en, s);
		return rc;
	}
	s->next = f->shells;
	f->shells = s;
	f->f.ready++;
	return 0;
}

static void drop_flavor(struct engine *en, struct flavor *f)
{
	while (f->shells) {
		struct shell *s = f->shells;

		f->shells = s->next;
		end_shell(en, s);
	}
	f->f.ready = 0;
}

/* --- refilling --- */

static void refill_in(struct engine *en, double seconds)
{
	ev_timer_stop(en->loop, &en->refill);
	ev_timer_set(&en->refill, seconds, 0.);
	ev_timer_start(en->loop, &en->refill);
}

void vm_close_window(struct vm *vm)
{
	if (!vm->dom.window)
		return;
	DL_DELETE2(vm->en->windows, vm, window_prev, window_next);
	dom_window_close(vm->en->x, &vm->dom);
}

void pool_idle_later(struct engine *en)
{
	refill_in(en, REFILL_QUIET_S);
}

/* What claims left mapped: unmapping was not on their time. */
static void close_windows(struct engine *en)
{
	while (en->windows)
		vm_close_window(en->windows);
}

/* One shell, then a gap in which guests and clients get the CPU. */
static void on_refill(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	uint64_t now = clock_ns();
	bool later = false;

	(void)revents;
	ev_timer_stop(loop, t);
	close_windows(en);
	for (struct flavor *f = en->flavors; f; f = f->next) {
		struct err err = {0};

		if (f->f.ready >= f->f.target)
			continue;
		if (now < f->retry_at) {
			later = true;
			continue;
		}
		if (add_shell(en, f, &err) < 0) {
			log_line(LOG_WARN, "op=refill: %s", err_msg(&err));
			f->backoff =
				f->backoff * 2 + 1 < BACKOFF_MAX ? f->backoff * 2 + 1 : BACKOFF_MAX;
			f->retry_at = now + (uint64_t)(RETRY_S * 1e9) * f->backoff;
		} else {
			f->backoff = 0;
		}
		refill_in(en, REFILL_GAP_S);
		return;
	}
	if (slots_refill(en))
		refill_in(en, REFILL_GAP_S);
	else if (later)
		refill_in(en, RETRY_S);
}

void pool_open(struct engine *en)
{
	ev_init(&en->refill, on_refill);
	en->refill.data = en;
}

void pool_close(struct engine *en)
{
	if (!ev_cb(&en->refill))
		return;
	ev_timer_stop(en->loop, &en->refill);
	while (en->flavors) {
		struct flavor *f = en->flavors;

		en->flavors = f->next;
		drop_flavor(en, f);
		free(f->f.image);
		free(f);
	}
}

void pool_drop(struct engine *en)
{
	for (struct flavor *f = en->flavors; f; f = f->next) {
		drop_flavor(en, f);
		f->retry_at = clock_ns() + (uint64_t)(RETRY_S * 1e9);
	}
	if (en->flavors)
		refill_in(en, RETRY_S);
}

/* --- flavors --- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same(const struct pool_flavor *a, const struct pool_flavor *b)
{
	return a->type == b->type && a->vcpus == b->vcpus && a->mem_kib == b->mem_kib &&
	       same_text(a->image, b->image);
}

static struct flavor **find_flavor(struct engine *en, const struct pool_flavor *f)
{
	struct flavor **at = &en->flavors;

	while (*at && !same(&(*at)->f, f))
		at = &(*at)->next;
	return at;
}

static int check_flavor(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	uint64_t kib = f->mem_kib * f->target;

	if (f->mem_kib == 0 || f->mem_kib > SHELL_MEM_MAX_KIB)
		return err_set(e, EINVAL, "pool: memory %llu KiB: 1 to %u are possible",
			       (unsigned long long)f->mem_kib, SHELL_MEM_MAX_KIB);
	if (f->vcpus < 1 || f->vcpus > DOM_MAX_VCPUS)
		return err_set(e, EINVAL, "pool: vcpus %u: 1 to %d are possible", f->vcpus,
			       DOM_MAX_VCPUS);
	if (f->target > POOL_TARGET_MAX)
		return err_set(e, EINVAL, "pool: count %u: at most %u", f->target, POOL_TARGET_MAX);
	if (f->type == DOM_PVH && !en->host.hvm)
		return err_set(e, EOPNOTSUPP, "pool: this host cannot create PVH domains");
	for (struct flavor *o = en->flavors; o; o = o->next)
		if (!same(&o->f, f))
			kib += o->f.mem_kib * o->f.target;
	if (kib > en->conf.pool_kib)
		return err_set(e, ENOMEM,
			       "pool: all targets together need %llu KiB, pool_memory allows %llu",
			       (unsigned long long)kib, (unsigned long long)en->conf.pool_kib);
	return 0;
}

int pool_set(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	struct flavor **at = find_flavor(en, f);
	struct flavor *own = *at;
	struct image *img = NULL;
	int rc = check_flavor(en, f, e);

	if (rc < 0)
		return rc;
	if (!own && f->target == 0)
		return err_set(e, ENOENT, "pool: there is no such flavor");
	if (!own) {
		own = calloc(1, sizeof(*own));
		if (!own)
			return err_set(e, ENOMEM, "out of memory");
		own->f = *f;
		own->f.ready = 0;
		own->f.hits = 0;
		own->f.image = f->image ? strdup(f->image) : NULL;
		if (f->image && (!own->f.image || current_image(en, own, &img, e) < 0)) {
			free(own->f.image);
			free(own);
			return e && e->code ? -e->code : -ENOMEM;
		}
		image_put(img);
		*at = own;
	}
	own->f.target = f->target;
	while (own->f.ready > own->f.target) {
		struct shell *s = own->shells;

		own->shells = s->next;
		own->f.ready--;
		end_shell(en, s);
	}
	if (f->target == 0) {
		*at = own->next;
		free(own->f.image);
		free(own);
	}
	refill_in(en, 0.);
	return 0;
}

void pool_for_each(struct engine *en, void (*fn)(const struct pool_flavor *f, void *arg), void *arg)
{
	for (struct flavor *f = en->flavors; f; f = f->next)
		fn(&f->f, arg);
}

bool pool_has_domain(const struct engine *en, uint32_t domid)
{
	for (const struct flavor *f = en->flavors; f; f = f->next)
		for (const struct shell *s = f->shells; s; s = s->next)
			if (s->dom.domid == domid)
				return true;
	return false;
}

/* --- claiming --- */

/* Warm first, then any shell of the size; NULL with a reason. */
static struct flavor *best(struct engine *en, const struct vm *vm, const char **why)
{
	const struct vm_config *c = &vm->cfg;
	struct flavor *shell = NULL;

	*why = en->flavors ? "no flavor of this type, size and number of vCPUs" : "no flavors";
	if (c->maxmem_kib && c->maxmem_kib != c->mem_kib) {
		*why = "maxmem differs from memory";
		return NULL;
	}
	for (struct flavor *f = en->flavors; f; f = f->next) {
		if (f->f.type != c->type || f->f.vcpus != c->vcpus || f->f.mem_kib != c->mem_kib)
			continue;
		if (!f->shells) {
			*why = "the pool ran dry";
			continue;
		}
		if (f->shells->img == vm->img)
			return f;
		if (!f->shells->img) {
			shell = f;
			continue;
		}
		*why = "another image is warm";
		if (same_text(f->f.image, c->kernel)) { /* the file has changed since */
			*why = "the image has changed";
			drop_flavor(en, f);
			refill_in(en, REFILL_QUIET_S);
		}
	}
	return shell;
}

/* The VM takes the shell's uuid unless its creator chose one. */
static int take_identity(struct vm *vm, const struct shell *s)
{
	struct engine *en = vm->en;
	int rc;

	if (vm->cfg.have_uuid || vm->restarts) {
		rc = registry_put(vm, NULL); /* the intent, under the uuid to come */
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

bool pool_claim(struct vm *vm)
{
	struct engine *en = vm->en;
	struct flavor *f;
	struct shell *s;

	vm->t.way = VM_COLD;
	if (!vm->img || !image_info(vm->img)->direct || vm->cfg.ramdisk_fd >= 0) {
		vm->t.why = vm->img ? "the image has no noxs entry" : "the image is large and new";
		return false;
	}
	f = best(en, vm, &vm->t.why);
	if (!f)
		return false;
	s = f->shells;
	f->shells = s->next;
	f->f.ready--;
	refill_in(en, REFILL_QUIET_S);
	if (take_identity(vm, s) < 0) {
		vm->t.why = "its shell could not be used";
		end_shell(en, s);
		return false;
	}
	f->f.hits++;
	vm->t.way = s->img ? VM_WARM : VM_SHELL;
	if (s->img)
		vm->t.why = "";
	vm->dom = s->dom;
	vm->slot = s->slot;
	vm->guest_port = 0;
	vm->map = s->map;
	if (vm->dom.window)
		DL_APPEND2(en->windows, vm, window_prev, window_next);
	image_put(s->img);
	free(s);
	return true;
}
