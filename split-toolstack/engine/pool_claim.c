/* SPDX-License-Identifier: BSD-3-Clause */
/* How a create gets a shell: the best that fits, which takes over its identity. */
#include "split-toolstack/engine/devices/device.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

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
	if (vm->cfg.have_uuid || vm->life.kept) {
		vm->slot.domid = s->dom.domid;
		rc = vm_record(vm, NULL); /* the intent, under the uuid to come */
		vm->slot.domid = 0;
		if (rc == 0)
			rc = xen_domain_set_uuid(en->x, s->dom.domid, vm->uuid);
		if (rc == 0)
			registry_delete(en->registry, s->uuid);
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
